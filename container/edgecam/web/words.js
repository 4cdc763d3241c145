// Numbers and moments as a person reads them.

const two = (number) => String(number).padStart(2, "0");

// A clock that counts: all its digits down to the second, so that one sees it move, up to a day.
export function lasting(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days} d ${hours} h ${two(minutes)} min`;
  if (hours) return `${hours} h ${two(minutes)} min ${two(whole % 60)} s`;
  if (minutes) return `${minutes} min ${two(whole % 60)} s`;
  return `${whole} s`;
}

// The age of a picture: tenths matter while it is fresh.
export function age(seconds) {
  return seconds < 10 ? `${Math.max(0, seconds).toFixed(1)} s` : lasting(seconds);
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY_AND_TIME = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// A moment in the reader's time zone; with the day where it is another one than `now`'s.
export function moment(text, now) {
  const date = new Date(text);
  const isToday = date.toDateString() === new Date(now).toDateString();
  return (isToday ? TIME : DAY_AND_TIME).format(date);
}

export function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, number)) / 3));
  return `${(number / 1000 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

// Messages begin with what they are about; where that stands beside them, it is said once.
export function without(address, message) {
  const beginning = `${address}: `;
  const rest = address && message.startsWith(beginning) ? message.slice(beginning.length) : message;
  return /^[a-z]+ /.test(rest) ? rest.charAt(0).toUpperCase() + rest.slice(1) : rest;
}
