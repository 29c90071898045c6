// Waiting without guessing: a question is asked again until its answer is right or a deadline has passed.
import { setTimeout as sleep } from "node:timers/promises";

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;

/** Asks until `answer` gives something other than undefined; the last failure is told when the time is over. */
export async function until<T>(what: string, deadline_ms: number, ask: () => Promise<T | undefined>): Promise<T> {
  const end_ms = Date.now() + deadline_ms;
  let pause_ms = FIRST_PAUSE_MS;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= end_ms) throw new Error(`not within ${deadline_ms} ms: ${what}`, { cause: last });
    await sleep(pause_ms);
    pause_ms = Math.min(pause_ms * 2, LONGEST_PAUSE_MS);
  }
}

/** A promise that must settle before the deadline. */
export async function within<T>(what: string, deadline_ms: number, promise: Promise<T>): Promise<T> {
  const given_up = new AbortController();
  const late = sleep(deadline_ms, undefined, { signal: given_up.signal }).then(() => {
    throw new Error(`not within ${deadline_ms} ms: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    given_up.abort();
    late.catch(() => undefined);
  }
}

export { sleep };
