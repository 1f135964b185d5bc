node_program nestjs-12 nestjs-12 services.mjs ../node/day.mjs
