// graphile-worker at its best documented settings: the local queue, no delay of
// completions beyond batching them, a pool as large as what runs at a time.
//
//     node graphile-worker.js JOBS SESSIONS [LEAD]      prints {"jobs", "seconds"}
//
// With LEAD, the jobs are due within one second, LEAD seconds from now, and the
// seconds are those from the end of that one until the last is claimed.
'use strict';

const { run, runMigrations, makeWorkerUtils } = require('graphile-worker');
const { Pool } = require('pg');

async function main() {
  const jobs = Number(process.argv[2]);
  const sessions = Number(process.argv[3]);
  const lead = Number(process.argv[4] || 0);
  const due = Math.ceil(Date.now() / 1000) + lead;
  const pool = new Pool({ max: sessions });
  await runMigrations({ pgPool: pool });
  const utils = await makeWorkerUtils({ pgPool: pool });
  for (let left = jobs; left > 0; left -= 10000) {
    await pool.query(
      `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
         SELECT json_populate_record(NULL::graphile_worker.job_spec,
                                     json_build_object('identifier', 'job', 'payload', '{}'::json,
                                       'run_at', CASE WHEN $2 THEN to_timestamp($3 + n / $4::float8) END))
         FROM generate_series(1, $1) AS n))`, [Math.min(left, 10000), lead > 0, due, 10000]);
  }
  await pool.query('ANALYZE');

  let done = 0;
  let finished;
  const all = new Promise((resolve) => { finished = resolve; });
  const started = process.hrtime.bigint();
  const runner = await run({
    pgPool: pool,
    taskList: { job: () => { if (++done === jobs) finished(); } },
    concurrency: 24,
    noHandleSignals: true,
    preset: {
      worker: {
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        pollInterval: 100,
      },
    },
    logger: undefined,
  });
  await all;
  if (lead) {
    console.log(JSON.stringify({ jobs, seconds: Date.now() / 1000 - (due + 1) }));
    process.exit(0);
  }
  // Until the last is marked as done, too.
  for (;;) {
    const { rows } = await pool.query(
      'SELECT EXISTS (SELECT FROM graphile_worker._private_jobs) AS left');
    if (!rows[0].left) break;
  }
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(JSON.stringify({ jobs, seconds }));
  await runner.stop();
  await utils.release();
  await pool.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
