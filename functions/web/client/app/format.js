/** Times, counts and titles, in words. */

/** The pages are in English, so dates are, too: in the reader's kind of it. */
export const language = navigator.languages.find((one) => /^en\b/i.test(one)) ?? "en-GB";

const clock = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
const longDay = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });
const shortDay = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const exactly = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" });
const shortYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });

/**
 * The time of the day.
 *
 * @param {string | Date} date
 * @returns {string}
 */
export function time(date) {
  return clock.format(new Date(date));
}

/** The day, in full: "Today", "Yesterday", "Monday, 3 November", and the year when it is another one. */
export function day(date) {
  const past = daysSince(date);
  if (past === 0) return "Today";
  if (past === 1) return "Yesterday";
  const when = new Date(date);
  return (when.getFullYear() === new Date().getFullYear() ? weekday : longDay).format(when);
}

/** As short as it can be: the time of today, else the day. */
export function when(date) {
  const past = daysSince(date);
  if (past === 0) return time(date);
  if (past === 1) return "Yesterday";
  const then = new Date(date);
  return (then.getFullYear() === new Date().getFullYear() ? shortDay : shortYear).format(then);
}

/** How long it has been: "just now", "5 min ago", "3 h ago", then the day. */
export function ago(date) {
  const minutes = Math.floor((Date.now() - new Date(date).getTime()) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return when(date);
}

/** A moment in full, to the second. */
export function exact(date) {
  return exactly.format(new Date(date));
}

/** A time to wait, in words: from two minutes on nobody counts seconds. */
export function duration(seconds) {
  if (seconds >= 120) return `${Math.ceil(seconds / 60)} minutes`;
  const whole = Math.ceil(seconds);
  return whole === 1 ? "1 second" : `${whole} seconds`;
}

/** How many days lie between a date and today, by the calendar. */
function daysSince(date) {
  const then = new Date(date);
  const now = new Date();
  const midnight = (value) => Date.UTC(value.getFullYear(), value.getMonth(), value.getDate());
  return Math.round((midnight(now) - midnight(then)) / 86_400_000);
}

/** A count, as one reads it; unread ones are counted up to 100. */
export function count(number) {
  return number >= 100 ? "99+" : String(number);
}

/**
 * What a conversation is called: its name, or else the others in it.
 *
 * @param {{kind: string, name: string | null, participants: {user_id: string, user_name: string}[], participant_count: number}} conversation
 * @param {string | null} me the id of whoever looks
 */
export function title(conversation, me) {
  if (conversation.name) return conversation.name;
  const others = conversation.participants.filter((participant) => participant.user_id !== me);
  if (others.length === 0) return conversation.kind === "direct" ? "Deleted user" : "Just you";
  if (conversation.kind === "direct") return others[0].user_name;
  const names = others.slice(0, 3).map((participant) => participant.user_name.split(" ")[0]);
  const more = conversation.participant_count - 1 - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
}
