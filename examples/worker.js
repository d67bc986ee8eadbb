#!/usr/bin/env node
// A worker in Node.js, with pg (npm install pg):  worker.js MACHINE [NODE]
//
// Connects as the environment says (PGHOST, PGDATABASE, ...).  It keeps nothing
// in its session, so it also works behind PgBouncer in transaction mode.  SIGTERM
// and SIGINT stop it once it has finished what it does.
'use strict';

const os = require('node:os');
const { setTimeout: sleep } = require('node:timers/promises');
const { Client, DatabaseError } = require('pg');

const client = `${os.hostname().slice(0, 40)}-${process.pid}`;

// The task is not ours any more: unknown instance, stale visit, finished, stale
// lease.  Somebody else has it, or nobody wants it done.
const LOST = new Set(['SM002', 'SM004', 'SM007', 'SM010']);

let stopping = false;

// Do the node's work; put yours here.  Returns the transition to say, and what
// to remember in the instance's data.  Long work minds the signal lost, an
// AbortSignal: it may stop then, in vain as it is.
async function work(task, lost) {
  const { amount, seconds = 0 } = task.params;
  await sleep(seconds * 1000, null, { signal: lost }).catch(() => {});
  if (!Number.isInteger(amount) || amount <= 0) {
    return ['error', { reason: 'no amount' }];
  }
  return [amount > 1000 ? 'large' : 'ok', { checked_by: 'node' }];
}

// A connection that comes back.
const database = {
  connection: null,

  // Run one statement, and again if the connection was lost under it.  That is
  // safe: a transition that this worker says twice gets the answer that was
  // recorded the first time.  A worker that was told to stop does not wait for a
  // database that is away; its lease will run out.
  async call(sql, ...args) {
    for (;;) {
      try {
        if (this.connection === null) {
          const connection = new Client();
          connection.on('error', () => {});   // the next call will notice
          await connection.connect();
          this.connection = connection;
        }
        return (await this.connection.query(sql, args)).rows;
      } catch (error) {
        // What the server says goes to the caller, unless it says (57P0x) that
        // it goes or comes; the rest is the connection's.
        const lost = !(error instanceof DatabaseError) || error.code.startsWith('57P0');
        if (!lost || stopping) {
          throw error;
        }
        console.error(`database: ${error.message}`);
        this.connection?.end().catch(() => {});
        this.connection = null;
        await sleep(1000);
      }
    }
  },
};

// A task that is handed out at most once has no lease, and never expires: there
// we say every half minute that we are alive, for whoever looks at what is stuck.
const READY = `
  SELECT instance, visit, attempt, params,
         (extract(epoch FROM least(expires_at, claimed_at + interval '90 s')
                             - claimed_at) * 1000)::int / 3 AS pause
  FROM dfsmr.ready($1, $2, $3, wait => '5 s')`;

// Say that we are alive, three times per lease, until the work is done.
async function beat(task, lost, done) {
  for (;;) {
    await sleep(task.pause, null, { signal: done }).catch(() => {});
    if (done.aborted) {
      return;
    }
    try {
      await database.call('SELECT dfsmr.heartbeat($1, $2, $3)',
        task.instance, task.visit, task.attempt);
    } catch (error) {
      if (!LOST.has(error.code)) {
        throw error;
      }
      lost.abort();
      return;
    }
  }
}

async function handle(task) {
  const lost = new AbortController();
  const done = new AbortController();
  const heart = beat(task, lost, done.signal);
  const [transition, data] = await work(task, lost.signal).finally(() => done.abort());
  await heart;

  // First completion wins: a lease that ran out is not the end if nobody else
  // has finished the visit.  So we say it in any case, and the server judges.
  try {
    const [moved] = await database.call(
      `SELECT node FROM dfsmr.transition($1, $2, visit => $3, client => $4,
                                         attempt => $5, data => $6)`,
      task.instance, transition, task.visit, client, task.attempt, data);
    console.log(`${task.instance}: ${transition}, now in ${moved.node}`);
  } catch (error) {
    if (!LOST.has(error.code)) {
      throw error;
    }
    console.error(`${task.instance}: ${error.message}`);
  }
}

async function main() {
  const [machine, node = null] = process.argv.slice(2);
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => { stopping = true; });
  }

  while (!stopping) {
    // Sleeps in the server until there is work, at most the five seconds.
    const tasks = await database.call(READY, client, machine, node);
    for (const task of tasks) {
      await handle(task);
    }
  }
  await database.connection?.end();
}

main();
