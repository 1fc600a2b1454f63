"""Golden vectors, made by the Java libraries (Apache-2.0) and by the original itself."""
