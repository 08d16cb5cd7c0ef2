//! Empty on purpose: the tests of the whole live beside this file.
