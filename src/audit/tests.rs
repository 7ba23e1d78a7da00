//! The log as a whole: written, tampered with, cut off, gone on with.
