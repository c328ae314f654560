"""The commands of the program, each with its options: a module for each subject. `cli` puts them together."""
