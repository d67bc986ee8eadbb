# dfsmr: a distributed finite state machine runner for PostgreSQL
#
#   make                  the extension and its client
#   make install          both, into the server that PG_CONFIG names
#   make check            everything is tested, on servers of its own
#   make check SUITES="unit regress" TESTS="ready"
#   make demo             the main job on a throw-away server
#   make bench            the figures, side by side with references and peers
#   make bench FIGURES="transition claim" QUICK=1     (FIGURES=list names them)
#   make simulation       hours of heavy-tailed work in virtual time (docs/simulation.md)
#   make installcheck     pg_regress against a running server, with the extension
#                         installed and in shared_preload_libraries
#   make unit fuzz model lint   without any server
#   make setup            install what building and testing need (Debian)
#
# Settings: PG_CONFIG, CLIENT_BINDIR (where the client goes, default: where
# psql is), DESTDIR, COPT (further compiler flags).

EXTENSION  = dfsmr
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" dfsmr.control)
PG_CONFIG  ?= pg_config

# Goals that work before anything is installed: they include no PGXS, which
# also has a "check" of its own, that only says no.
HOUSE_GOALS = check demo bench simulation setup unit fuzz model lint
GOALS      := $(or $(MAKECMDGOALS),all)

.PHONY: $(HOUSE_GOALS)

ifneq ($(filter $(HOUSE_GOALS),$(GOALS)),)

check:
	@PG_CONFIG='$(PG_CONFIG)' scripts/check $(SUITES)

unit fuzz model:
	@PG_CONFIG='$(PG_CONFIG)' scripts/check --no-setup $@

demo:
	@PG_CONFIG='$(PG_CONFIG)' demo/run

bench:
	@PG_CONFIG='$(PG_CONFIG)' FIGURES='$(FIGURES)' QUICK='$(QUICK)' bench/run

simulation:
	@PG_CONFIG='$(PG_CONFIG)' bench/simulation/run

setup:
	@PG_CONFIG='$(PG_CONFIG)' scripts/setup

lint:
	@PG_CONFIG='$(PG_CONFIG)' scripts/lint

endif

ifneq ($(filter-out $(HOUSE_GOALS),$(GOALS)),)

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
# Debian's client has pgxs.mk too, but not the headers.
ifeq ($(and $(wildcard $(PGXS)),$(wildcard $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)/postgres.h)),)
$(error PostgreSQL's files for building extensions are missing; run scripts/setup, or name another pg_config with PG_CONFIG=...)
endif

MODULE_big = dfsmr
SOURCES    = $(sort $(wildcard src/*.c src/*/*.c))
OBJS       = $(SOURCES:.c=.o)
PGFILEDESC = "dfsmr - distributed finite state machine runner"
SHLIB_LINK = -lyaml -lm

INSTALL_SQL = $(sort $(wildcard install/*.sql))
DATA_built  = $(EXTENSION)--$(EXTVERSION).sql
DATA        = $(wildcard updates/$(EXTENSION)--*.sql)

REGRESS      = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
# A database of its own, whatever the server was initialized with.
REGRESS_OPTS = --encoding=UTF8 --no-locale --load-extension=$(EXTENSION)

EXTRA_CLEAN = $(CLIENT) $(CLIENT_OBJS) build/stage

# The server's headers are system headers to the compiler: what they would be
# warned for is not ours to mend.  (gcc and clang then ignore the -I that PGXS
# gives for the same directory.)  Before 16 nothing marks what a module exports.
WARNINGS    = -Wall -Wextra -Wno-unused-parameter $(WERROR)
WERROR     ?= -Werror
PG_CPPFLAGS = -Isrc -isystem $(includedir_server) \
	$(if $(filter 13 14 15,$(MAJORVERSION)),-D'PGDLLEXPORT=__attribute__((visibility("default")))')
PG_CFLAGS   = -std=gnu11 $(WARNINGS) -fvisibility=hidden $(COPT)

# Bitcode is of no use to an extension that inlines nothing into queries, and
# would make clang a need.
override with_llvm = no

include $(PGXS)

# An object is stale when any header is newer: there are few, and it is safe.
HEADERS_ALL = $(wildcard src/*.h src/*/*.h)
$(OBJS): $(HEADERS_ALL) Makefile

$(DATA_built): $(INSTALL_SQL) dfsmr.control Makefile
	cat $(INSTALL_SQL) >$@.tmp
	mv $@.tmp $@

# The client has a plain rule: a PGXS PROGRAM links with whatever the server
# was configured with, which Debian's development packages do not bring.
CLIENT         = client/dfsmr
CLIENT_SOURCES = $(sort $(wildcard client/*.c))
CLIENT_OBJS    = $(CLIENT_SOURCES:.c=.o)
CLIENT_BINDIR ?= $(bindir)
CLIENT_CFLAGS  = $(filter -g% -O% -f% -W%,$(CFLAGS)) -std=gnu11 $(WARNINGS)
LIBPQ_INCLUDE := $(shell $(PG_CONFIG) --includedir)
LIBPQ_LIB     := $(shell $(PG_CONFIG) --libdir)

ifneq ($(CLIENT_SOURCES),)

all: $(CLIENT)

$(CLIENT): $(CLIENT_OBJS)
	$(CC) $(CLIENT_CFLAGS) $(CLIENT_OBJS) $(LDFLAGS) -L$(LIBPQ_LIB) -lpq $(CLIENT_LIBS) -o $@

client/%.o: client/%.c $(wildcard client/*.h) Makefile
	$(CC) $(CLIENT_CFLAGS) -D_GNU_SOURCE -DDFSMR_VERSION='"$(EXTVERSION)"' -Iclient -isystem $(LIBPQ_INCLUDE) -c $< -o $@

.PHONY: install-client uninstall-client
install: install-client
install-client: $(CLIENT)
	$(MKDIR_P) '$(DESTDIR)$(CLIENT_BINDIR)' '$(DESTDIR)$(mandir)/man1'
	$(INSTALL_PROGRAM) $(CLIENT) '$(DESTDIR)$(CLIENT_BINDIR)/dfsmr'
	$(INSTALL_DATA) client/dfsmr.1 '$(DESTDIR)$(mandir)/man1/dfsmr.1'

uninstall: uninstall-client
uninstall-client:
	rm -f '$(DESTDIR)$(CLIENT_BINDIR)/dfsmr' '$(DESTDIR)$(mandir)/man1/dfsmr.1'

endif

endif
