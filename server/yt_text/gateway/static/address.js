/** Checks what was typed as a link before it is sent, and offers what was probably meant. Pure. */

const MAX_LENGTH = 2048;
/** Misspelt or missing slashes and letters of `http(s)://`. */
const NEARLY_HTTP = /^(?:h?t{1,3}ps?|htt?sp?|http?s|https?s)\s*[:;]{0,2}\s*[/\\]{0,3}(?=[^/\\:])/i;
const ENDINGS = { con: "com", cmo: "com", ocm: "com", comm: "com", vom: "com", ogr: "org", nte: "net" };

/**
 * @typedef {{url: string} | {problem: string, suggestion?: string}} Checked
 */

/**
 * @param {string} typed  one link
 * @returns {Checked}  a problem with what to do, perhaps a better link
 */
export function checkLink(typed) {
  const text = typed.trim().replace(/^<(.*)>$/, "$1");
  if (!text) return { problem: "Paste a link first, or choose a file below." };
  if (text.length > MAX_LENGTH) return { problem: `This link is longer than ${MAX_LENGTH} characters. Copy the link of the page itself.` };
  if (/^(file:|[a-z]:\\|\/|~)/i.test(text)) {
    return { problem: "This is a place on a disk, not a link. Choose the file below to upload it." };
  }
  if (/^[^/:]+\.(mp3|m4a|mp4|wav|flac|ogg|opus|webm|mkv|mov|avi|aac|wma)$/i.test(text)) {
    return { problem: "This is the name of a file, not a link. Choose the file below to upload it." };
  }
  if (/^https?:\/\/[^/\\]/i.test(text)) return checkHost(text);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) && !NEARLY_HTTP.test(text)) {
    return { problem: `Links that begin with “${text.slice(0, text.indexOf(":") + 3)}” cannot be read. Give one that begins with https://.` };
  }
  if (/^[^\s/:@]+\.[^\s/:@.]{2,}([/:?#]|$)/.test(text)) return checkHost(`https://${text}`, text);
  const nearly = text.replace(NEARLY_HTTP, "");
  if (nearly !== text && /^[^\s/]+\.[^\s/]{2,}/.test(nearly)) {
    const secure = !/^h?t{1,3}p[^s]/i.test(text);
    const suggestion = `http${secure ? "s" : ""}://${nearly}`;
    return { problem: "The beginning of this link is misspelt.", suggestion };
  }
  return { problem: "This does not look like a link. A link looks like https://example.com/talk." };
}

/**
 * @param {string} link  with its scheme
 * @param {string} [typed]
 * @returns {Checked}
 */
function checkHost(link, typed = link) {
  let url;
  try {
    url = new URL(link);
  } catch {
    const mended = typed.replace(/^(?:https?:\/\/)?[^/?#]*/i, (host) => host.replaceAll(",", ".").replace(/\s+/g, ""));
    if (mended !== typed && checkLink(mended).url) return { problem: "The site’s name is misspelt.", suggestion: checkLink(mended).url };
    return { problem: "This does not look like a link. Copy it again from the address bar." };
  }
  const host = url.hostname;
  if (host.includes(",")) return { problem: "The site’s name has a comma in it.", suggestion: link.replace(host, host.replaceAll(",", ".")) };
  if (/^https?$/.test(host)) return { problem: "The link begins twice.", suggestion: link.replace(/^https?:\/\/(?=https?:?\/)/i, "").replace(/^(https?):?\/+/i, "$1://") };
  if (/\.\.|^\.|\.$/.test(host)) return { problem: "The site’s name has a dot too many.", suggestion: link.replace(host, host.replace(/\.{2,}/g, ".").replace(/^\.|\.$/g, "")) };
  const ending = host.split(".").at(-1) ?? "";
  if (Object.hasOwn(ENDINGS, ending)) {
    const right = host.slice(0, -ending.length) + ENDINGS[ending];
    return { problem: `Sites do not end in “.${ending}”.`, suggestion: link.replace(host, right) };
  }
  return { url: link };
}

/** Several links at once: what stands between white space. */
export const splitLinks = (text) => text.split(/\s+/).filter(Boolean);

/** Whether a text holds nothing but several links. */
export function severalLinks(text) {
  const parts = splitLinks(text);
  return parts.length > 1 && parts.every((part) => /^https?:\/\//i.test(part));
}
