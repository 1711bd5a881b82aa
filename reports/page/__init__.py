"""The page: sections in reading order, rendered into one document, and served."""
