#!/bin/sh
# A worker in shell, with nothing but psql:  worker.sh MACHINE NODE
#
# Connects as the environment says (PGHOST, PGDATABASE, ...).  SIGTERM and SIGINT
# stop it once it has finished what it does.  (`dfsmr work MACHINE NODE -- COMMAND`
# does all this for you, and runs only the work as a command of yours.)
set -u
machine=$1 node=$2
client=$(uname -n | cut -c1-40)-$$
stopping=
trap 'stopping=yes' TERM INT

# Do the node's work; put yours here.  Prints the transition to say.
work()
{
	sleep "$seconds"
	if [ "$amount" -le 0 ] 2>/dev/null; then
		echo error
	elif [ "$amount" -gt 1000 ] 2>/dev/null; then
		echo large
	elif [ "$amount" -gt 0 ] 2>/dev/null; then
		echo ok
	else
		echo error
	fi
}

# Run the statements on standard input; of an error show just its SQLSTATE.
# Arguments are name=value, for :'name' in the statements.
sql()
{
	for variable; do
		set -- "$@" -v "$variable"
		shift
	done
	psql -XqAt -v ON_ERROR_STOP=1 -v VERBOSITY=sqlstate "$@"
}

# Is the task not ours any more?  Unknown instance, stale visit, finished, stale
# lease: somebody else has it, or nobody wants it done.
lost()
{
	case $1 in
		*SM002* | *SM004* | *SM007* | *SM010*) true ;;
		*) false ;;
	esac
}

# Say that we are alive, three times per lease, until we are killed.
beat()
{
	while sleep "$pause"; do
		said=$(sql instance="$instance" visit="$visit" attempt="$attempt" 2>&1 <<-'SQL'
			SELECT dfsmr.heartbeat(:'instance', :visit, :attempt)
		SQL
		) || ! lost "$said" || return
	done
}

# Say the transition, also if the database is away for a while (psql's status is
# 2 then): one that this worker says twice gets the answer that was recorded the
# first time.  First completion wins, so we say it even when our lease ran out;
# the server judges.
say()
{
	while :; do
		said=$(sql instance="$instance" visit="$visit" attempt="$attempt" \
			client="$client" transition="$1" 2>&1 <<-'SQL'
			SELECT node FROM dfsmr.transition(:'instance', :'transition', visit => :visit,
			       client => :'client', attempt => :attempt, data => '{"checked_by": "shell"}')
		SQL
		)
		case $? in
			0) echo "$instance: $1, now in $said"; return ;;
			2) sleep 1 ;;
			*)
				echo "$instance: $said" >&2
				lost "$said" || exit 1
				return
				;;
		esac
	done
}

while [ -z "$stopping" ]; do
	# Sleeps in the server until there is work, at most the five seconds.  A task
	# that is handed out at most once has no lease, and never expires: there we say
	# every half minute that we are alive, for whoever looks at what is stuck.
	task=$(sql machine="$machine" node="$node" client="$client" <<-'SQL'
		SELECT instance, visit, attempt,
		       extract(epoch FROM least(expires_at, claimed_at + interval '90 s') - claimed_at) / 3,
		       params->>'amount', coalesce(params->>'seconds', '0')
		FROM dfsmr.ready(:'client', :'machine', :'node', wait => '5 s')
	SQL
	)
	case $? in
		0) ;;
		2) sleep 1 && continue ;;
		*) exit 1 ;;
	esac
	[ -n "$task" ] || continue
	IFS='|' read -r instance visit attempt pause amount seconds <<-TASK
		$task
	TASK
	beat &
	heart=$!
	transition=$(work)
	# Not TERM: a shell that was just forked still has our trap, and would lose it.
	kill -s KILL "$heart" 2>/dev/null
	wait "$heart" 2>/dev/null
	say "$transition"
done
