/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The document of a run, and as a table for people. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "policy/bench/bench.h"
#include "policy/cli.h"

#define WORD "abcdefghijklmnopqrstuvwxyz0123456789-"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* Which of netback's counters, together, are one cause. */
static const struct {
	const char *cause, *counters[6];
} causes[] = {
	{ "ring-full", { "to-guest.drops.no-slots", "to-guest.drops.stalled" } },
	{ "guest-queue-full", { "end.queue-full" } },
	{ "link-full", { "link.queue-full" } },
	{ "socket-full", { "end.socket-full" } },
	{ "port-full", { "from-guest.drops.port-full" } },
	{ "port-refused", { "from-guest.drops.port-refused", "from-guest.drops.port-down" } },
	{ "bad-grants",
	  { "from-guest.drops.bad-grant", "to-guest.drops.bad-grant", "to-guest.bad-slots" } },
	{ "throttled", { "from-guest.throttled", "switch.throttled" } },
	{ "guarded", { "switch.drops.guard" } },
	{ "frames", { "from-guest.frames", "to-guest.frames" } },
	{ "gso-frames", { "from-guest.gso-frames", "to-guest.gso-frames" } },
	{ "copied", { "to-guest.copied" } },
	{ "wakeups", { "wakeups" } },
	{ "spurious-wakeups", { "spurious-events" } },
	{ "notifications", { "notifications" } },
};

json_t *bench_attribution(const json_t *counters, uint64_t softnet_dropped,
			  uint64_t softnet_squeezed)
{
	json_t *j = json_object();

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		json_int_t sum = 0;

		for (size_t k = 0; causes[i].counters[k]; k++)
			sum += json_integer_value(json_object_get(counters, causes[i].counters[k]));
		json_object_set_new(j, causes[i].cause, json_integer(sum));
	}
	json_object_set_new(j, "softnet-dropped", json_integer((json_int_t)softnet_dropped));
	json_object_set_new(j, "softnet-squeezed", json_integer((json_int_t)softnet_squeezed));
	return j;
}

int bench_document_check(const json_t *doc, char why[BENCH_WHY])
{
	static const char *const texts[] = { "network", "from", "to", "test", "protocol", "size" };
	const json_t *results = json_object_get(doc, "results"), *result;
	size_t i;

	if (strcmp(text_of(doc, "schema"), BENCH_SCHEMA) != 0) {
		snprintf(why, BENCH_WHY, "its \"schema\" is not \"%s\"", BENCH_SCHEMA);
		return -EINVAL;
	}
	if (!json_is_array(results)) {
		snprintf(why, BENCH_WHY, "it has no \"results\"");
		return -EINVAL;
	}
	json_array_foreach (results, i, result)
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
			const char *text = json_string_value(json_object_get(result, texts[k]));

			/* The last ones are words of ours. */
			if (text && (k < 3 || strspn(text, WORD) == strlen(text)))
				continue;
			snprintf(why, BENCH_WHY, "result %zu has no \"%s\" that can be", i + 1,
				 texts[k]);
			return -EINVAL;
		}
	return 0;
}

void bench_key(const json_t *r, char *text, size_t size)
{
	snprintf(text, size, "%s %s-%s %s %s %s", text_of(r, "network"), text_of(r, "from"),
		 text_of(r, "to"), text_of(r, "protocol"), text_of(r, "size"), text_of(r, "test"));
}

/* "1.23 Gbit/s" */
static void scaled(double value, const char *unit, char out[32])
{
	static const char *const prefixes[] = { "", "k", "M", "G", "T" };
	int i = 0;

	while (value >= 1000 && i < 4) {
		value /= 1000;
		i++;
	}
	snprintf(out, 32, "%.*f %s%s",
		 value < 10    ? 2
		 : value < 100 ? 1
			       : 0,
		 value, prefixes[i], unit);
}

static void head(const json_t *doc, FILE *out)
{
	const json_t *m = json_object_get(doc, "machine");

	cli_print_safe(text_of(m, "cpu"), out);
	fprintf(out, ", %d CPUs, Linux ", (int)number(m, "cpus"));
	cli_print_safe(text_of(m, "kernel"), out);
	fputs(", vifrost ", out);
	cli_print_safe(text_of(doc, "version"), out);
	if (*text_of(doc, "iperf3")) {
		fputs(", ", out);
		cli_print_safe(text_of(doc, "iperf3"), out);
	}
	fputc('\n', out);
}

static void print_row(const json_t *r, FILE *out)
{
	const json_t *rtt = json_object_get(r, "rtt-us"), *cpu = json_object_get(r, "cpu");
	const json_t *noise = json_object_get(r, "noise");
	char what[64], first[32] = "", second[64] = "", machine[32] = "", netback[32] = "";

	snprintf(what, sizeof(what), "%s %s", text_of(r, "protocol"), text_of(r, "test"));
	if (rtt) {
		snprintf(first, sizeof(first), "%.1f us", number(rtt, "p50"));
		snprintf(second, sizeof(second), "p99 %.1f us", number(rtt, "p99"));
	} else if (json_object_get(r, "packets-per-s")) {
		scaled(number(r, "packets-per-s"), "pps", first);
		scaled(number(r, "bits-per-s"), "bit/s", second);
	} else {
		scaled(number(r, "bits-per-s"), "bit/s", first);
		snprintf(second, sizeof(second), "%.0f sent again", number(r, "retransmits"));
	}
	if (json_object_get(cpu, "machine-s-per-gb")) {
		snprintf(machine, sizeof(machine), "%.2f", number(cpu, "machine-s-per-gb"));
		snprintf(netback, sizeof(netback), "%.2f", number(cpu, "netback-s-per-gb"));
	}
	fprintf(out, "  %-15.24s %5.8s  %12s  %-16s", what, text_of(r, "size"), first, second);
	if (json_object_get(r, "lost"))
		fprintf(out, " %5.1f%%", 100 * number(r, "lost"));
	else
		fprintf(out, " %6s", "");
	fprintf(out, "  %8s %8s  %5.1f%% %5.1f%%", machine, netback, 100 * number(noise, "spread"),
		100 * number(noise, "wait"));
	if (number(noise, "rejected") > 0)
		fprintf(out, "  %d rejected", (int)number(noise, "rejected"));
	fputc('\n', out);
}

/* Only what is there: "    ring-full 1200, wakeups 33, 41 frames a wakeup". */
static void print_attribution(const json_t *r, FILE *out)
{
	const json_t *a = json_object_get(r, "attribution"), *cpu = json_object_get(r, "cpu");
	double frames = number(a, "frames"), wakeups = number(a, "wakeups");
	const char *key, *between = "    ";
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)a, key, value) {
		if (json_integer_value(value) <= 0)
			continue;
		fputs(between, out);
		cli_print_safe(key, out);
		fprintf(out, " %" JSON_INTEGER_FORMAT, json_integer_value(value));
		between = ", ";
	}
	if (frames > 0 && wakeups > 0)
		fprintf(out, ", %.1f frames a wakeup", frames / wakeups);
	if (json_object_get(cpu, "machine-us-per-packet"))
		fprintf(out, ", %.1f us of CPU a packet", number(cpu, "machine-us-per-packet"));
	if (*between == ',')
		fputc('\n', out);
}

static bool same_path(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "network", "mode", "datapath", "from", "to" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(text_of(a, keys[i]), text_of(b, keys[i])) != 0)
			return false;
	return true;
}

static void print_path(const json_t *r, FILE *out)
{
	static const char *const keys[] = { "mode", "datapath" };

	fputc('\n', out);
	cli_print_safe(*text_of(r, "network") ? text_of(r, "network") : "no network", out);
	for (int i = 0; i < 2; i++)
		if (*text_of(r, keys[i])) {
			fputs(i ? ", " : " (", out);
			cli_print_safe(text_of(r, keys[i]), out);
		}
	fputs(*text_of(r, "mode") ? "): " : ": ", out);
	cli_print_safe(text_of(r, "from"), out);
	fputs(" to ", out);
	cli_print_safe(text_of(r, "to"), out);
	fprintf(out, "\n  %-15s %5s  %12s  %-16s %6s  %8s %8s  %6s %6s\n", "", "size", "", "",
		"lost", "CPU s/GB", "netback", "spread", "wait");
}

static void print_noise(const json_t *doc, FILE *out)
{
	unsigned int noisy = 0;
	const json_t *r;
	double most = 0;
	size_t i;

	json_array_foreach (json_object_get(doc, "results"), i, r) {
		double others = number(json_object_get(r, "noise"), "others");

		noisy += others > BENCH_OTHERS_MAX;
		most = fmax(most, others);
	}
	if (noisy)
		fprintf(out,
			"\n%u row(s) were measured while others used up to %.1f CPUs: they say little; "
			"measure again when the machine is quiet\n",
			noisy, most);
}

void bench_print(const json_t *doc, FILE *out)
{
	const json_t *r, *last = NULL;
	size_t i;

	head(doc, out);
	json_array_foreach (json_object_get(doc, "results"), i, r) {
		if (!last || !same_path(last, r))
			print_path(r, out);
		print_row(r, out);
		print_attribution(r, out);
		last = r;
	}
	print_noise(doc, out);
	json_array_foreach (json_object_get(doc, "failed"), i, r) {
		fputc('\n', out);
		cli_print_safe(text_of(r, "path"), out);
		fputs(": not measured: ", out);
		cli_print_safe(text_of(r, "reason"), out);
		fputc('\n', out);
	}
}
