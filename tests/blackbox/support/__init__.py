"""What the black-box tests share: the real binary, generated stubs, errors taken apart, certificates."""
