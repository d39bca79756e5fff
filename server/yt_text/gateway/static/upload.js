/** Sends a file to the service, with progress. fetch() cannot tell how much was sent; XMLHttpRequest can. */

import { ServiceError, readError, uploadHref } from "./service.js";

/** An upload that moves nothing for so long is given up. */
const STALL_MS = 90_000;

/**
 * @param {File} file
 * @param {(sent: number) => void} progress  bytes sent
 * @returns {{done: Promise<string>, abort: () => void}}  the id of the stored recording; ServiceError if it fails,
 *   with the reason ABORTED after `abort`
 */
export function upload(file, progress) {
  const request = new XMLHttpRequest();
  let stall = 0;
  let aborted = false;
  const waitOn = () => {
    clearTimeout(stall);
    stall = setTimeout(() => request.abort(), STALL_MS);
  };
  const done = new Promise((resolve, reject) => {
    const network = () => reject(new ServiceError({ status: 0, reason: aborted ? "ABORTED" : "NETWORK" }));
    request.upload.addEventListener("progress", (event) => {
      waitOn();
      progress(Math.min(event.loaded, file.size));
    });
    request.addEventListener("error", network);
    request.addEventListener("abort", network);
    request.addEventListener("loadend", () => clearTimeout(stall));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) {
        try {
          resolve(JSON.parse(request.responseText).id);
        } catch {
          network();
        }
      } else {
        reject(readError(request.status, request.responseText, request.getResponseHeader("retry-after")));
      }
    });
  });
  // A name with no letters left would be no path segment.
  request.open("POST", uploadHref(file.name.slice(-200).trim() || "recording"));
  request.setRequestHeader("content-type", "application/octet-stream");
  waitOn();
  request.send(file);
  return {
    done,
    abort: () => {
      aborted = true;
      request.abort();
    },
  };
}
