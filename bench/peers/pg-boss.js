// pg-boss at its best: fetched and completed in batches of a hundred, by as many
// loops as there are sessions.
//
//     node pg-boss.js JOBS SESSIONS [LEAD]      prints {"jobs", "seconds"}
//
// With LEAD, the jobs are due within one second, LEAD seconds from now, and the
// seconds are those from the end of that one until the last is claimed.
'use strict';

const PgBoss = require('pg-boss');

async function main() {
  const jobs = Number(process.argv[2]);
  const sessions = Number(process.argv[3]);
  const lead = Number(process.argv[4] || 0);
  const due = Math.ceil(Date.now() / 1000) + lead;
  const { PGHOST: host, PGPORT: port, PGUSER: user, PGDATABASE: database } = process.env;
  const boss = new PgBoss({
    host, port: Number(port), user, database, max: sessions,
    supervise: false, schedule: false,
  });
  await boss.start();
  await boss.createQueue('job');
  for (let left = jobs; left > 0; left -= 10000) {
    const n = Math.min(left, 10000);
    await boss.insert(Array.from({ length: n }, (_, i) => ({
      name: 'job', data: {},
      ...(lead ? { startAfter: new Date((due + i / n) * 1000) } : {}),
    })));
  }

  const started = process.hrtime.bigint();
  let done = 0;
  let last = 0;
  await Promise.all(Array.from({ length: sessions }, async () => {
    for (;;) {
      const batch = await boss.fetch('job', { batchSize: 100 });
      if (batch.length === 0 && (!lead || done === jobs)) return;
      if (batch.length === 0) await new Promise((resolve) => { setTimeout(resolve, 5); });
      if (lead) {
        done += batch.length;
        if (batch.length > 0) last = Date.now() / 1000;
        continue;
      }
      await boss.complete('job', batch.map((job) => job.id));
      done += batch.length;
    }
  }));
  const seconds = lead ? last - (due + 1) : Number(process.hrtime.bigint() - started) / 1e9;
  console.log(JSON.stringify({ jobs: done, seconds }));
  await boss.stop({ graceful: false });
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
