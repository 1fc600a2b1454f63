"""Schema objects: what a database needs beside and for its event tables: plans and scripts."""
