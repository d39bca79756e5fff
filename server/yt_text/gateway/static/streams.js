/**
 * How many event streams this browser has open at once, over all its windows.
 *
 * A browser opens six connections to a host, and a stream takes one for as long as it lasts. Hidden tabs have
 * none; windows side by side share these few, and the other connections are left for everything else.
 */

const STREAMS = 4;

/**
 * Takes one of them.
 *
 * @returns {Promise<(() => void) | null>} gives it back; null if all are taken
 */
export async function takeStream() {
  // Without a secure context there are no locks: then every window has its stream.
  if (!navigator.locks) return () => {};
  for (let number = 0; number < STREAMS; number += 1) {
    const giveBack = await tryLock(`yt-text.stream.${number}`);
    if (giveBack) return giveBack;
  }
  return null;
}

/**
 * @param {string} name
 * @returns {Promise<(() => void) | null>}
 */
function tryLock(name) {
  return new Promise((found) => {
    void navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) {
        found(null);
        return undefined;
      }
      return new Promise((free) => found(() => free()));
    });
  });
}
