-- tick(): one pass of the scheduler by hand, for tests and where no background
-- worker may run.  Fires due timers and takes back expired work in the caller's
-- transaction; publishing is left to the scheduler.  Needs admin on all
-- machines.
--
-- now: the time to go by, from here on and for every session, instead of the
-- server's; superusers only.
CREATE FUNCTION dfsmr.tick(now timestamptz DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dfsmr_tick';
COMMENT ON FUNCTION dfsmr.tick(timestamptz) IS 'do what is due now, as the scheduler would by itself';
