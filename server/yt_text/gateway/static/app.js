/** Puts the page together: which part is shown at which address, and what the parts tell each other. */

import { Compose } from "./compose.js";
import { confirmDelete } from "./confirm.js";
import { connectionBack, connectionLost, Backoff } from "./connection.js";
import { announce, byId, setText } from "./elements.js";
import { History } from "./history.js";
import { ended, title } from "./job.js";
import { JobList } from "./joblist.js";
import { Line } from "./line.js";
import { Options } from "./options.js";
import { Outbox } from "./outbox.js";
import { Recording } from "./recording.js";
import { cancelJob, deleteJob, getJob, retryJob } from "./service.js";
import { words } from "./words.js";

const NAME = "yt-text";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NOT_HERE = { status: 404, reason: "JOB_NOT_FOUND" };
const jobs = new JobList();
const outbox = new Outbox();
const options = new Options();

const actions = {
  async cancel(job) {
    jobs.put(await cancelJob(job.id), { tellOthers: true });
    announce("Cancelled.");
  },
  async retry(job) {
    jobs.put(await retryJob(job.id), { tellOthers: true });
  },
  async remove(job) {
    const sure = await confirmDelete({ heading: "Delete this transcript?", text: `“${title(job)}” and its text will be gone for good.` });
    if (!sure) return;
    try {
      await deleteJob(job.id);
    } catch (error) {
      if (error.status !== 404) throw error; // it is gone already: just as well
    }
    const shown = recording.id === job.id;
    if (shown) go("/");
    jobs.remove(job.id, { tellOthers: true });
    announce("Deleted.");
  },
};

const historyList = new History(jobs, actions);
const recording = new Recording(jobs, actions, {
  missing: () => showMissing(NOT_HERE),
  titled: (text) => (document.title = `${text} – ${NAME}`),
});
// Before the form hears of it: then the job that it opens is known already.
outbox.addEventListener("sent", ({ detail }) => jobs.put(detail.job, { tellOthers: true }));
const compose = new Compose(outbox, options, {
  open: (job) => go(`/jobs/${job.id}`),
  show: () => location.pathname !== "/" && go("/"),
  isShown: () => !byId("compose").hidden,
});
const line = new Line(outbox, (item) => compose.isPending(item));

/** Counts what was routed to, so that a slow answer does not show what was left meanwhile. */
let visit = 0;

/** @param {"compose" | "recording" | "missing" | "loading"} part @param {string} [name] */
function show(part, name = "") {
  for (const id of ["compose", "recording", "missing", "loading"]) byId(id).hidden = id !== part;
  byId("new-link").hidden = part === "compose";
  document.body.dataset.part = part;
  if (part !== "recording") document.title = name ? `${name} – ${NAME}` : NAME;
}

/** @param {{status: number, reason: string}} error  why it cannot be shown */
function showMissing(error) {
  const { title: heading, advice } = words(error);
  setText(byId("missing-heading"), heading);
  setText(byId("missing-words"), advice);
  show("missing", "Not here");
}

/** Shows what the address says. @param {{focus?: boolean}} [how] */
async function route({ focus = true } = {}) {
  const mine = (visit += 1);
  const id = (/^\/jobs\/([^/]+)\/?$/.exec(location.pathname)?.[1] ?? "").toLowerCase();
  recording.close();
  historyList.current = id;
  historyList.draw();
  connectionBack("page");
  if (!id) {
    show("compose");
    void options.load();
    if (focus) focusOn("compose-heading");
    return;
  }
  const known = jobs.get(id);
  if (known) {
    show("recording");
    recording.open(known);
    if (focus) focusOn("recording-title");
    return;
  }
  show("loading");
  const job = await fetchJob(id, () => mine === visit);
  if (mine !== visit) return;
  if (job) {
    show("recording");
    recording.open(job);
  }
  if (focus) focusOn(job ? "recording-title" : "missing-heading");
}

/** Asks until there is an answer; null if it cannot be had, which is shown then. */
async function fetchJob(id, wanted) {
  if (!UUID.test(id)) {
    showMissing(NOT_HERE);
    return null;
  }
  const backoff = new Backoff();
  while (wanted()) {
    try {
      const job = await getJob(id);
      connectionBack("page");
      return job;
    } catch (error) {
      if (!error.passing) {
        connectionBack("page");
        if (wanted()) showMissing(error);
        return null;
      }
      if (wanted()) connectionLost("page");
      await new Promise((resolve) => setTimeout(resolve, backoff.next()));
    }
  }
  return null;
}

function focusOn(id) {
  byId(id).focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** @param {string} address */
function go(address) {
  if (location.pathname !== address) history.pushState(null, "", address);
  void route();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.hash || !/^\/(jobs\/[^/]+)?$/.test(link.pathname)) return;
  event.preventDefault();
  go(link.pathname);
});
addEventListener("popstate", () => route());

// A job that ends makes room for what waits.
let running = new Set();
jobs.addEventListener("change", () => {
  const now = new Set(jobs.unfinished.map((job) => job.id));
  const freed = [...running].some((id) => !now.has(id) && (!jobs.get(id) || ended(jobs.get(id))));
  running = now;
  if (freed) outbox.nudge();
});

void line;
void route({ focus: false });
void jobs.start();
outbox.nudge();
