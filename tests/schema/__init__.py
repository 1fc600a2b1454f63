"""Classes, schemas, and the codec between both."""
