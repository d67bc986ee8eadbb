# What the scripts share; sourced by bash, not run.
#
# Nothing here touches a server or a cluster that it did not make itself:
# servers live in temporary directories and listen on a unix socket there.

PG_CONFIG=${PG_CONFIG:-pg_config}

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# Where PostgreSQL is; run after the set-up, as before it there may be none.
find_postgres()
{
	PG_BINDIR=$($PG_CONFIG --bindir) || die "$PG_CONFIG does not run; see scripts/setup"
	PG_PKGLIBDIR=$($PG_CONFIG --pkglibdir)
	PG_SHAREDIR=$($PG_CONFIG --sharedir)
	PG_XS=$(dirname "$($PG_CONFIG --pgxs)")/../..
	PG_MAJOR=$($PG_CONFIG --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
	[ -x "$PG_BINDIR/postgres" ] || die "no PostgreSQL server in $PG_BINDIR; see scripts/setup"
}

# The ordinary user that servers run as: oneself, but root's servers would
# refuse to start, so root lends a user that owns nothing of the project.
test_user()
{
	if [ "$(id -u)" != 0 ]; then
		id -un
	elif id postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

# as_user USER COMMAND...: run it as that user, in an environment that does not
# point at somebody's server.
as_user()
{
	local user=$1
	shift
	if [ "$(id -un)" = "$user" ]; then
		env -u PGHOST -u PGPORT -u PGDATABASE -u PGUSER -u PGSERVICE -u PGOPTIONS "$@"
	else
		runuser -u "$user" -- env -u PGHOST -u PGPORT -u PGDATABASE -u PGUSER \
			-u PGSERVICE -u PGOPTIONS HOME="${WORK:-/nonexistent}" "$@"
	fi
}

# make_work PREFIX USER: set WORK to a new directory that the user owns.  Under
# /tmp whatever TMPDIR says: the path of a unix socket must be short.
make_work()
{
	WORK=$(mktemp -d "/tmp/$1.XXXXXX")
	chmod 755 "$WORK"
	[ "$(id -un)" = "$2" ] || chown "$2": "$WORK"
}

# stop_leftovers DIRECTORY: end servers that a test which was cut off left
# running beneath it.  The working directory of a postmaster is its cluster:
# that tells it from a process that got the number later.
stop_leftovers()
{
	local file pid
	find "$1" -name postmaster.pid 2>/dev/null | while read -r file; do
		pid=$(head -n 1 "$file")
		[ "$(readlink "/proc/$pid/cwd")" = "${file%/*}" ] || continue
		kill -QUIT "$pid" 2>/dev/null || continue
		for _ in $(seq 50); do
			[ -d "/proc/$pid" ] || break
			sleep 0.1
		done
	done
}

# copy_sources FROM TO USER: the sources, and what was built from them already,
# owned by the user; the clone itself may be in a directory of root's alone.
copy_sources()
{
	mkdir -p "$2"
	tar -C "$1" --exclude=./.git --exclude=./build/stage --exclude=./build/check \
		--exclude=./build/dev-server -cf - . | tar -C "$2" --no-same-owner -xf -
	[ "$(id -un)" = "$3" ] || chown -R "$3": "$2"
}

# server_conf STAGE: settings that load the extension from a staged
# installation and suit servers that live for minutes.
server_conf()
{
	if [ "$PG_MAJOR" -ge 18 ]; then
		echo "extension_control_path = '$1$PG_SHAREDIR:\$system'"
	elif [[ "$("$PG_BINDIR/postgres" --describe-config)" == *extension_destdir* ]]; then
		echo "extension_destdir = '$1'"
	else
		die "this PostgreSQL cannot load an extension from a staged directory" \
			"(extension_destdir is Debian's, extension_control_path came with 18);" \
			"use make install, then make installcheck"
	fi
	cat <<-EOS
	dynamic_library_path = '$1$PG_PKGLIBDIR:\$libdir'
	shared_preload_libraries = 'dfsmr'
	listen_addresses = ''
	fsync = off
	max_prepared_transactions = 10
	max_worker_processes = 32
	EOS
}
