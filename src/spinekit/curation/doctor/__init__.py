"""The doctor of training sets: looks at every case, compares them, and says what is wrong."""
