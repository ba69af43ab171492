"""Any models on judged collections of any size: lists that are kept, a table a language, run files that other tools read."""
