wants_cairn || return 1
rust_program redis-rs redis-rs framework-redis-rs
