# The only build file. Objects are listed by layer; dependencies come from -MMD.
#   make            src/cairn-server and the tools
#   make test       installs what is needed, builds, runs everything (N passed, N failed)
#   make check      format and layer checks
CC       ?= gcc
BUILD    ?= build
OPT      ?= -O2 -g -fno-omit-frame-pointer
WARN      = -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wno-sign-conversion -Werror
CFLAGS   += -std=gnu11 $(OPT) $(WARN) -Isrc -pthread $(SANITIZE)
LDFLAGS  += -pthread $(SANITIZE)
MALLOC   ?= -ljemalloc
LDLIBS   += -levent_core -lsqlite3 -lisal -luuid $(MALLOC)

BASE   = alloc str buf hash clock err log uuid
PROTO  = resp_read resp_write
STORE  = event group backend journal segment pending_index sqlite memory store threads readers
STREAM = 
SERVER = 
