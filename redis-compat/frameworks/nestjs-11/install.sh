node_program nestjs-11 nestjs-11 ../nestjs-12/services.mjs ../node/day.mjs
