/** Reasons of the service in words: what is wrong, and what to do. */

const UPLOAD = "Download the recording yourself and upload the file.";
const LATER = "Try again in a few minutes.";

/**
 * Reason to `[what is wrong, what to do]`. Where the second is missing, the service's own message says it
 * better: it knows the limit or the name.
 * @type {Record<string, [string, string?]>}
 */
const WORDS = {
  NETWORK: ["The service cannot be reached", "Check your connection. This page keeps trying."],
  // requests
  INVALID_REQUEST: ["Something in the request is not right"],
  JOB_NOT_FOUND: ["This transcript is not here", "It was deleted, or the link is not complete."],
  MEDIA_NOT_FOUND: ["The uploaded file is not here any more", "Choose the file again."],
  RESULT_NOT_READY: ["The transcript is not finished yet", "Wait until it is done."],
  JOB_NOT_RETRYABLE: ["This one cannot be run again", "Only what failed or was cancelled can. Submit the recording anew."],
  REQUEST_ID_REUSED: ["This was sent before with other options", "Send it again."],
  QUEUE_FULL: ["Too many recordings are waiting", LATER],
  UPLOAD_INCOMPLETE: ["The upload broke off", "Send the file again."],
  UPLOAD_TOO_LARGE: ["The file is too large"],
  DISK_FULL: ["The service has no room left", "Delete transcripts that you do not need, or try again later."],
  SHUTTING_DOWN: ["The service is restarting", "This page goes on by itself when it is back."],
  NO_CAPTIONS: ["The site has no captions"],
  CAPTIONS_UNREADABLE: ["The site’s captions cannot be read"],
  MODEL_DOWNLOAD: ["A model for the first time"],
  MODEL_DOWNLOAD_FAILED: ["The model could not be fetched"],
  NOT_IMPLEMENTED: ["The service does not offer this"],
  DEADLINE_EXCEEDED: ["The service took too long to answer", LATER],
  INTERNAL: ["Something went wrong in the service", "Try again. If it happens again, look into the service's log."],
  OVERLOADED: ["The service is busy", "Try again in a moment."],
  RATE_LIMITED: ["That was a lot in a short time", "Wait a minute before you send more."],
  TOO_MANY_JOBS: ["You have as many recordings running as the service allows", "Wait until one is done, or cancel one."],
  REQUEST_TOO_LARGE: ["This is larger than the service takes"],
  SERVICE_UNREACHABLE: ["The service is not answering", "It may be restarting. This page keeps trying."],
  MEDIA_NOT_KEPT: ["The recording is not kept", "The transcript is here, but it cannot be played."],
  // the link and the site
  URL_INVALID: ["This link cannot be read", "Give a link that begins with http:// or https://."],
  ADDRESS_NOT_ALLOWED: ["The link leads to a private address", `The service reads public sites only. ${UPLOAD}`],
  NO_MEDIA_FOUND: ["No recording was found at this link", "Give the page that has the player on it, or the media file itself."],
  PLAYLIST_NOT_SUPPORTED: ["The link leads to several recordings", "Open the one that you want and paste its own link."],
  LIVE_NOT_SUPPORTED: ["The broadcast is live or has not begun", "Come back with the same link when its recording is there."],
  LOGIN_REQUIRED: ["The site wants a login", UPLOAD],
  BOT_CHECK: ["The site wants proof that a person is asking", UPLOAD],
  GEO_BLOCKED: ["The site does not show this in the service’s country", UPLOAD],
  DRM_PROTECTED: ["The recording is protected against copying", "It cannot be transcribed. Use one without protection."],
  ACCESS_DENIED: ["The site refuses to give the recording", UPLOAD],
  RECORDING_GONE: ["There is no recording at this link any more", "Check the link."],
  SITE_RATE_LIMITED: ["The site asks for fewer requests", "Try again in an hour, or download it yourself and upload the file."],
  SITE_ERROR: ["The site failed to answer"],
  SITE_UNREACHABLE: ["The site cannot be reached"],
  EXTRACTOR_FAILED: ["The site has changed and cannot be read", `The service may need a newer yt-dlp. ${UPLOAD}`],
  FETCH_FAILED: ["Fetching the recording failed"],
  // the recording
  RECORDING_TOO_LARGE: ["The recording is too large"],
  RECORDING_TOO_LONG: ["The recording is too long"],
  RECORDING_EMPTY: ["The recording is empty", "Check that it plays, then try again."],
  MEDIA_UNREADABLE: ["This is not sound or video that can be read", "Check that it plays, or convert it to MP3 or M4A."],
  NO_AUDIO_TRACK: ["The recording has no sound", "Give one in which somebody speaks."],
  DECODE_FAILED: ["Reading the recording broke off", "Try again."],
  RECORDING_TRUNCATED: ["The recording ends before it should", "The transcript ends there too. Check that the recording is whole."],
  RECORDING_DAMAGED: ["Parts of the recording are damaged", "Some speech may be missing."],
  NO_SPEECH: ["Nobody was heard to speak", "Check that the recording is the one you meant."],
  // engines
  ENGINE_UNKNOWN: ["There is no such engine"],
  ENGINE_UNAVAILABLE: ["This engine cannot be used now"],
  MODEL_NOT_FOUND: ["This model is not here"],
  MODEL_INVALID: ["The model’s file is damaged"],
  LANGUAGE_NOT_SUPPORTED: ["The engine does not know this language"],
  OPTION_NOT_SUPPORTED: ["The engine cannot do what the options ask"],
  ENGINE_FAILED: ["The engine failed on this recording", "Try again with another engine or model."],
  LOWER_QUALITY_ENGINE: ["A simple engine made this text"],
  ATTEMPT_FAILED: ["An attempt failed"],
};

/** What a bare status means, where no reason came with it. */
const STATUSES = { 401: "A login is needed", 403: "This is not allowed", 404: "This is not here", 413: "This is too large", 429: "Too many requests" };

/**
 * @param {{reason?: string, status?: number, message?: string}} problem
 * @returns {{title: string, advice: string}}
 */
export function words(problem) {
  const [title, advice] = WORDS[problem.reason ?? ""] ?? [];
  const message = problem.message ?? "";
  if (title) return { title, advice: advice ?? message };
  const status = STATUSES[problem.status ?? 0] ?? ((problem.status ?? 0) >= 500 ? "The service is not answering" : "");
  if (status) return { title: status, advice: message || LATER };
  return { title: "That did not work", advice: message || LATER };
}

/** A job's error or warning (google.rpc.Status in JSON) in words. */
export function statusWords(status) {
  const reason = (status?.details ?? []).find((detail) => detail?.reason)?.reason ?? "";
  return { reason, ...words({ reason, message: status?.message ?? "" }) };
}

/** One sentence or two, for narrow places. */
export function sentence(problem) {
  const { title, advice } = words(problem);
  return advice ? `${title}. ${advice}` : `${title}.`;
}

/** Why something in the waiting line waits. */
export function waitingWords(error) {
  switch (error.reason) {
    case "TOO_MANY_JOBS":
      return "Waits until one of your running recordings is done.";
    case "RATE_LIMITED":
      return "Waits: you sent many in a short time.";
    case "QUEUE_FULL":
      return "Waits: the service’s queue is full.";
    case "NETWORK":
      return "Waits for the connection.";
    default:
      return error.status === 429 ? "Waits: the service asks for fewer requests." : "Waits until the service is back.";
  }
}
