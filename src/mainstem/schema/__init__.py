"""What a payload looks like: typed classes, their Avro schemas, and the codec between both."""
