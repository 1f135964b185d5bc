node_program moleculer-channels moleculer-channels channels.mjs ../node/day.mjs
