"""OKS, AP, PCK, bootstrap: arrays in, arrays out; knows no model and no file."""
