# The only build file. One object per source; the layers are the folders of src/.
#
#   make             src/cairn-server, src/cairn, bench/cairn-bench
#   make deps        installs what is needed to build and test (Debian packages, deps/packages.txt)
#   make test        deps, build, everything that can fail; ends with "N passed, N failed"; STORE=postgres: over PostgreSQL
#   make check       layers, pages, format, and no compiler warns (gcc's or clang's)
#   make install uninstall     PREFIX=/usr/local DESTDIR=
#   make test-asan test-tsan   the suites under the sanitizers
#   make fuzz crash-test soak bench bench-long   longer things
#   make redis-compat    Valkey's and Redis' own test suites, client libraries and frameworks, against the server
#
# V=1 shows the commands, POSTGRES=no builds without libpq, WERROR=1 makes warnings errors (make test and make check do). CFLAGS, CPPFLAGS,
# LDFLAGS and OPT are the builder's; CC, BUILD and SERVER make a second build beside the first.

CC       ?= gcc
CLANG    ?= clang
BUILD    ?= build
OPT      ?= -O2 -g -fno-omit-frame-pointer
WERROR   ?=
WARN      = -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wno-sign-conversion $(if $(filter-out 0,$(WERROR)),-Werror)
DEFINES   = -D_GNU_SOURCE -Isrc -I. $(CPPFLAGS)
COMPILE   = $(CC) $(DEFINES) -std=gnu11 $(OPT) $(WARN) -pthread $(SANITIZE) $(CFLAGS)
LINK      = $(CC) -pthread $(SANITIZE) $(LDFLAGS)
PREFIX   ?= /usr/local
DEPS     ?= sh deps/install.sh
MALLOC   ?= -ljemalloc
LIBS      = -levent_core -lsqlite3 -lisal -luuid -lm
# POSTGRES=no builds without libpq: `store postgres:` is unknown then.
POSTGRES ?= yes
ifeq ($(POSTGRES),no)
DEFINES  += -DWITHOUT_POSTGRES
else
DEFINES  += -I/usr/include/postgresql
LIBS     += -lpq
endif
SERVER   ?= src/cairn-server
TOOL      = $(dir $(SERVER))cairn

LAYERS   = base proto record store stream config server commands tool
LIB_SRC  = $(sort $(shell find $(LAYERS:%=src/%) -name "*.c" $(if $(filter no,$(POSTGRES)),-not -path "*/postgres/*")))
LIB_OBJ  = $(LIB_SRC:src/%.c=$(BUILD)/%.o)
UNIT     = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ     = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60

# gcc -Og does not inline what xxhash demands, and says nothing of itself to the preprocessor.
ifneq (,$(findstring -Og,$(OPT) $(CFLAGS)))
DEFINES  += -DXXH_NO_INLINE_HINTS=1
endif

# What a recipe's line begins with: "  CC src/main.c" instead of the command; with V=1 the command, with -s nothing.
quiet = $(if $(filter-out 0,$(V)),,@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,printf '  %-5s %s\n' $(1) $(2);))

.PHONY: all deps test test-programs check check-clang unit fuzz fuzz-targets crash-test soak test-asan test-tsan redis-compat bench bench-long \
	install uninstall clean

all: $(SERVER) $(TOOL) bench/cairn-bench $(BUILD)/diskshim.so $(BUILD)/clockshim.so

$(SERVER): $(BUILD)/main.o $(BUILD)/libcairn.a
	$(call quiet,LINK,$@)$(LINK) -o $@ $^ $(LIBS) $(MALLOC)

$(TOOL): $(BUILD)/cairn.o $(BUILD)/libcairn.a
	$(call quiet,LINK,$@)$(LINK) -o $@ $^ $(LIBS) $(MALLOC)

$(BUILD)/libcairn.a: $(LIB_OBJ)
	@rm -f $@
	$(call quiet,AR,$@)ar rcs $@ $^

# Once a build: that the libraries are there. Says which one is not.
$(BUILD)/libs.ok: utils/check-libs.sh
	@mkdir -p $(@D)
	@sh utils/check-libs.sh '$(CC)' '$(MALLOC)' '$(POSTGRES)'
	@touch $@

# What was built with other flags (WERROR, OPT ...) is built again. (The goals left out call make again, with theirs.)
ifeq (,$(filter clean deps install uninstall test test-programs check check-clang test-asan test-tsan,$(MAKECMDGOALS)))
ifneq ($(file <$(BUILD)/flags),$(strip $(COMPILE)))
$(shell mkdir -p $(BUILD))
$(file >$(BUILD)/flags,$(strip $(COMPILE)))
endif
endif

$(BUILD)/%.o: src/%.c $(BUILD)/flags | $(BUILD)/libs.ok
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(COMPILE) -MMD -MP -c -o $@ $<

bench/cairn-bench: $(wildcard bench/*.c bench/*.h) $(BUILD)/flags | $(BUILD)/libs.ok
	$(call quiet,CC,$@)$(COMPILE) -o $@ $(filter %.c,$^) -lm

# Counts instructions (bench/instructions). Time, random numbers and threads are bench/inside/inside.c's. Without
# debugging information: valgrind 3.19 gives up on clang's.
INSIDE = -Wl,--strip-debug,--wrap=clock_gettime,--wrap=getrandom,--wrap=threads_start
$(BUILD)/instructions: $(wildcard bench/inside/*.[ch]) $(BUILD)/libcairn.a
	$(call quiet,LINK,$@)$(COMPILE) $(LDFLAGS) -DBUILT_WITH='"$(strip $(OPT) $(CFLAGS) $(CPPFLAGS) $(SANITIZE))"' $(INSIDE) -o $@ $(filter %.c %.a,$^) $(LIBS) $(MALLOC)

$(BUILD)/diskshim.so: tests/shim/diskshim.c tests/shim/rules.c tests/shim/rules.h | $(BUILD)/libs.ok
	@mkdir -p $(@D)
	$(call quiet,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -shared -fPIC -fvisibility=hidden -pthread -o $@ $(filter %.c,$^) -ldl

$(BUILD)/clockshim.so: tests/shim/clockshim.c | $(BUILD)/libs.ok
	@mkdir -p $(@D)
	$(call quiet,CC,$@)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -shared -fPIC -fvisibility=hidden -o $@ $< -ldl

$(BUILD)/unit/%: tests/unit/%.c $(wildcard tests/unit/*.h) $(BUILD)/libcairn.a $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC,$<)$(COMPILE) $(LDFLAGS) -o $@ $< $(BUILD)/libcairn.a $(LIBS) $(MALLOC)

# They compile the generator's parts in.
$(BUILD)/unit/test_bench $(BUILD)/unit/test_bench_talk: $(wildcard bench/*.c bench/*.h)

# The fuzz targets share one build of the server's files. pointer-overflow is left out: it takes adding nothing to a
# null pointer for a fault.
FUZZ_OBJ     = $(LIB_SRC:src/%.c=$(BUILD)/fuzz/src/%.o)
COMPILE_FUZZ = $(CLANG) $(DEFINES) -std=gnu11 $(WARN) -g -O1 -fno-sanitize-recover=undefined -pthread
$(BUILD)/fuzz/src/%.o: src/%.c | $(BUILD)/libs.ok
	@mkdir -p $(@D)
	$(call quiet,CLANG,$<)$(COMPILE_FUZZ) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=pointer-overflow \
		-MMD -MP -c -o $@ $<
$(BUILD)/fuzz/libcairn.a: $(FUZZ_OBJ)
	@rm -f $@
	$(call quiet,AR,$@)ar rcs $@ $^
$(BUILD)/fuzz/%: tests/fuzz/%.c $(wildcard tests/fuzz/*.h) $(BUILD)/fuzz/libcairn.a
	$(call quiet,CLANG,$<)$(COMPILE_FUZZ) -fsanitize=fuzzer,address,undefined -fno-sanitize=pointer-overflow \
		-o $@ $< $(BUILD)/fuzz/libcairn.a $(LIBS)

deps:
	$(DEPS)

# clang only looks; gcc's warnings take optimising, so that is the build itself.
check: check-clang
	sh utils/check-layers.sh
	sh utils/check-docs.sh
	sh utils/check-names.sh
	sh utils/check-frameworks.sh
	sh utils/check-format.sh
	+@$(MAKE) -s -j2 WERROR=1 BUILD=build-check SERVER=build-check/cairn-server build-check/cairn-server build-check/cairn

check-clang:
	@find src bench tests -name '*.c' | xargs -P 2 -n 20 \
		$(CLANG) $(DEFINES) -std=gnu11 $(OPT) $(WARN) -Werror -DBUILT_WITH='""' -fsyntax-only

unit: $(UNIT)
fuzz-targets: $(FUZZ)

# What runs the tests must be built after the packages are there: hence a second make.
test: deps
	+@$(MAKE) -s test-programs
	tests/all

# What tests/all runs.
test-programs:
	+@$(MAKE) -s -j2 WERROR=1 all unit fuzz-targets $(BUILD)/instructions
	+@$(MAKE) -s -j2 WERROR=1 $(ASAN) build-asan/cairn-server build-asan/cairn build-asan/unit/test_model
	+@$(MAKE) -s -j2 WERROR=1 $(TSAN) build-tsan/cairn-server build-tsan/cairn build-tsan/unit/test_model

# Packs whatever is read (stream/pack.c), so that every test tries it.
ASAN = BUILD=build-asan SERVER=build-asan/cairn-server MALLOC= OPT="-O1 -g -fno-omit-frame-pointer -DPACK_ALL=1" \
	SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
TSAN = BUILD=build-tsan SERVER=build-tsan/cairn-server MALLOC= OPT="-O1 -g -fno-omit-frame-pointer" \
	SANITIZE="-fsanitize=thread"

test-asan: deps
	+@$(MAKE) -s -j2 build/diskshim.so build/clockshim.so
	+@$(MAKE) -s -j2 WERROR=1 $(ASAN) build-asan/cairn-server build-asan/cairn unit
	BUILD=build-asan SANITIZED=1 CAIRN_TEST_SLOW=4 CAIRN_SERVER=$(CURDIR)/build-asan/cairn-server tests/all

test-tsan: deps
	+@$(MAKE) -s -j2 build/diskshim.so build/clockshim.so
	+@$(MAKE) -s -j2 WERROR=1 $(TSAN) build-tsan/cairn-server build-tsan/cairn unit
	BUILD=build-tsan SANITIZED=1 CAIRN_TEST_SLOW=8 TSAN_OPTIONS=halt_on_error=1 CAIRN_SERVER=$(CURDIR)/build-tsan/cairn-server tests/all

fuzz: fuzz-targets
	for f in $(FUZZ); do tests/fuzz/run $$f $(FUZZ_SECONDS) || exit 1; done

# STORE=postgres: in PostgreSQL, which is killed as well.
crash-test: all
	tests/crash/run --rounds 200

soak: all
	tests/model/run --seconds 600
	CAIRN_KILLS=50 tests/run projector
	CAIRN_EVENTS=1000000 tests/run migrate

# All run, whatever the first ones say.
redis-compat: all
	tests/run shells; shells=$$?; redis-compat/suite; suite=$$?; redis-compat/clients/run; clients=$$?; \
	redis-compat/frameworks/run && exit $$((shells + suite + clients))

bench: all
	bench/compare

bench-long: all
	bench/long

# Files only: no user is made, nothing is started. The option file and the unit are samples, among the documents.
DOC = $(DESTDIR)$(PREFIX)/share/doc/cairn
PAGES = README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md $(wildcard docs/*.md) redis-compat/README.md redis-compat/RESULTS.md
# What a page links to in the source is not installed: the link becomes words.
LINKS = s:\[([^]]*)\]\((\.\./)*((src|tests|bench|utils|deps)/[^)]*)\):\1 (\3 in the source):g; \
	s:(src|tests|bench|utils|deps)(/[^ ]*) \(\1\2 in the source\):\1\2 (in the source):g

install: $(SERVER) $(TOOL) bench/cairn-bench
	@case '$(PREFIX)' in *[!A-Za-z0-9._/+-]*) \
		echo "PREFIX may have letters, digits and . _ / + - only: it stands in the systemd unit" >&2; exit 2;; esac
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DOC)/docs' '$(DOC)/redis-compat'
	install -m 755 $(SERVER) $(TOOL) bench/cairn-bench '$(DESTDIR)$(PREFIX)/bin'
	install -m 644 LICENSE cairn.conf '$(DOC)'
	install -m 644 redis-compat/not-applicable.txt '$(DOC)/redis-compat'
	for page in $(PAGES); do sed -E '$(LINKS)' $$page >"$(DOC)/$$page" && chmod 644 "$(DOC)/$$page" || exit 1; done
	sed 's:/usr/local/:$(PREFIX)/:' utils/systemd/cairn.service >'$(DOC)/cairn.service'
	chmod 644 '$(DOC)/cairn.service'

uninstall:
	rm -f '$(DESTDIR)$(PREFIX)/bin/cairn-server' '$(DESTDIR)$(PREFIX)/bin/cairn' '$(DESTDIR)$(PREFIX)/bin/cairn-bench'
	rm -rf '$(DOC)'

-include $(LIB_OBJ:.o=.d) $(FUZZ_OBJ:.o=.d) $(BUILD)/main.d $(BUILD)/cairn.d

clean:
	rm -rf $(BUILD) build-* $(SERVER) $(TOOL) bench/cairn-bench
