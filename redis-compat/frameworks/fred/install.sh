wants_cairn || return 1
rust_program fred fred framework-fred
