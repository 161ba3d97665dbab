"""What libraries do, as data: the vocabulary, the library files, and the index over them."""
