node_program socket.io-0.3 socket.io-0.3 nodes.mjs ../node/day.mjs && after=(ioredis sharded)
