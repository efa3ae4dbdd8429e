/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *	title, machine
 *	heading of a test, unit
 *	  a path                       0        5        10
 *	     size  ============================= value
 */
#include "policy/plot/plot.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WIDTH	   960.0
#define MARGIN	   28.0
#define LABEL	   64.0	 /* where bars begin, from the margin */
#define VALUE	   168.0 /* room for what stands behind a bar */
#define BAR	   15.0
#define BAR_STEP   21.0
#define PATH_STEP  26.0
#define PANEL_STEP 56.0
#define TITLE	   74.0
#define FOOT	   30.0
#define MAX_BARS   600
#define PNG_SCALE  2.0
#define FONT	   "DejaVu Sans"

struct panel {
	const char *test, *heading, *unit, *in, *key;
	double scale; /* a unit's worth */
};

static const struct panel panels[] = {
	{ "stream", "TCP stream, one connection", "Gbit/s", NULL, "bits-per-s", 1e9 },
	{ "packets", "UDP packets received", "kpps", NULL, "packets-per-s", 1e3 },
	{ "round-trip", "UDP round trip, one packet in flight: median, line to p99", "\xc2\xb5s",
	  "rtt-us", "p50", 1 },
};

#define NR_PANELS (sizeof(panels) / sizeof(panels[0]))

static const double colours[][3] = {
	{ 0.13, 0.40, 0.67 }, { 0.85, 0.45, 0.10 }, { 0.20, 0.55, 0.30 },
	{ 0.60, 0.25, 0.55 }, { 0.45, 0.45, 0.45 }, { 0.70, 0.20, 0.20 },
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static double number(const json_t *object, const char *key)
{
	double v = json_number_value(json_object_get(object, key));

	return isfinite(v) && v > 0 ? v : 0;
}

static double value_of(const struct panel *p, const json_t *r)
{
	return number(p->in ? json_object_get(r, p->in) : r, p->key) / p->scale;
}

/* As far as its line goes. */
static double reach_of(const struct panel *p, const json_t *r)
{
	double v = value_of(p, r);

	if (p->in)
		return fmax(v, number(json_object_get(r, p->in), "p99") / p->scale);
	return v * (1 + fmin(1, number(json_object_get(r, "noise"), "spread")));
}

static bool is_in(const struct panel *p, const json_t *r)
{
	return !strcmp(text_of(r, "test"), p->test) && value_of(p, r) > 0;
}

static void path_text(const json_t *r, char *text, size_t size)
{
	bool mode = *text_of(r, "mode"), datapath = *text_of(r, "datapath");

	snprintf(text, size, "%.40s%s%.20s%s%.20s%s  %.40s \xe2\x86\x92 %.40s",
		 text_of(r, "network"), mode ? " (" : "", text_of(r, "mode"), datapath ? ", " : "",
		 text_of(r, "datapath"), mode ? ")" : "", text_of(r, "from"), text_of(r, "to"));
}

/* Counts what draw_panel() draws. */
static unsigned int measure_panel(const struct panel *p, const json_t *results, unsigned int *paths)
{
	char last[256] = "", path[256];
	unsigned int bars = 0;
	const json_t *r;
	size_t i;

	*paths = 0;
	json_array_foreach (results, i, r) {
		if (!is_in(p, r))
			continue;
		path_text(r, path, sizeof(path));
		*paths += strcmp(path, last) != 0;
		memcpy(last, path, sizeof(last));
		bars++;
	}
	return bars;
}

static void show(cairo_t *c, double x, double y, double size, bool bold, const char *text)
{
	cairo_select_font_face(c, FONT, CAIRO_FONT_SLANT_NORMAL,
			       bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(c, size);
	cairo_move_to(c, x, y);
	cairo_show_text(c, text);
}

static void show_right(cairo_t *c, double x, double y, double size, const char *text)
{
	cairo_text_extents_t e;

	cairo_select_font_face(c, FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(c, size);
	cairo_text_extents(c, text, &e);
	show(c, x - e.x_advance, y, size, false, text);
}

/* 1, 2 or 5 times a power of ten: some five steps up to @max. */
static double step_of(double max)
{
	double power = pow(10, floor(log10(max / 5))), part = max / 5 / power;

	return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void format(double v, char text[32])
{
	snprintf(text, 32, "%.*f", v < 10 ? 2 : v < 100 ? 1 : 0, v);
}

static void draw_grid(cairo_t *c, double x, double y, double width, double height, double max)
{
	double step = step_of(max);

	for (int i = 0; i <= 10 && i * step <= max * 1.0001; i++) {
		double at = floor(x + width * i * step / max) + 0.5;
		char text[32];

		cairo_set_source_rgb(c, 0.86, 0.86, 0.86);
		cairo_set_line_width(c, 1);
		cairo_move_to(c, at, y);
		cairo_line_to(c, at, y + height);
		cairo_stroke(c);
		cairo_set_source_rgb(c, 0.4, 0.4, 0.4);
		snprintf(text, sizeof(text), "%g", i * step);
		show(c, at - (i ? 4 : 3), y - 4, 10, false, text);
	}
}

static void draw_bar(cairo_t *c, const struct panel *p, const json_t *r, double y, double unit,
		     const double rgb[3])
{
	double x = MARGIN + LABEL, v = value_of(p, r), reach = reach_of(p, r);
	char value[32], text[96];

	cairo_set_source_rgb(c, 0.25, 0.25, 0.25);
	show_right(c, x - 8, y + BAR - 3, 11.5, text_of(r, "size"));
	cairo_set_source_rgb(c, rgb[0], rgb[1], rgb[2]);
	cairo_rectangle(c, x, y, fmax(1, v * unit), BAR);
	cairo_fill(c);
	if (reach > v) {
		cairo_set_source_rgb(c, 0.15, 0.15, 0.15);
		cairo_set_line_width(c, 1.5);
		cairo_move_to(c, x + v * unit, y + BAR / 2);
		cairo_line_to(c, x + reach * unit, y + BAR / 2);
		cairo_move_to(c, x + reach * unit, y + 3);
		cairo_line_to(c, x + reach * unit, y + BAR - 3);
		cairo_stroke(c);
	}
	format(v, value);
	snprintf(text, sizeof(text), "%s %s", value, p->unit);
	if (p->in) {
		format(number(json_object_get(r, p->in), "p99") / p->scale, value);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", p99 %s", value);
	} else if (number(r, "lost") >= 0.001) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %.1f%% lost",
			 100 * number(r, "lost"));
	}
	cairo_set_source_rgb(c, 0.1, 0.1, 0.1);
	show(c, x + fmax(v, reach) * unit + 7, y + BAR - 3, 11.5, false, text);
}

/* Return: where the next may begin. */
static double draw_panel(cairo_t *c, const struct panel *p, const json_t *results, double y)
{
	double width = WIDTH - 2 * MARGIN - LABEL - VALUE, max = 0, height;
	char last[256] = "", path[256];
	unsigned int paths, bars = measure_panel(p, results, &paths), colour = 0;
	const json_t *r;
	size_t i;

	if (!bars)
		return y;
	json_array_foreach (results, i, r)
		if (is_in(p, r))
			max = fmax(max, reach_of(p, r));
	height = bars * BAR_STEP + paths * PATH_STEP;
	cairo_set_source_rgb(c, 0.1, 0.1, 0.1);
	snprintf(path, sizeof(path), "%s (%s)", p->heading, p->unit);
	show(c, MARGIN, y + 18, 14, true, path);
	y += PANEL_STEP - 12;
	draw_grid(c, MARGIN + LABEL, y, width, height, max);
	json_array_foreach (results, i, r) {
		if (!is_in(p, r))
			continue;
		path_text(r, path, sizeof(path));
		if (strcmp(path, last) != 0) {
			colour += *last != 0;
			memcpy(last, path, sizeof(last));
			/* On white, so that no line of the grid runs through it. */
			cairo_set_source_rgb(c, 1, 1, 1);
			cairo_rectangle(c, MARGIN + LABEL + 1, y + 4, width, PATH_STEP - 6);
			cairo_fill(c);
			cairo_set_source_rgb(c, 0.1, 0.1, 0.1);
			show(c, MARGIN + LABEL + 4, y + PATH_STEP - 8, 12, false, path);
			y += PATH_STEP;
		}
		draw_bar(c, p, r, y, width / max,
			 colours[colour % (sizeof(colours) / sizeof(colours[0]))]);
		y += BAR_STEP;
	}
	return y + 12;
}

static void draw(cairo_t *c, const json_t *doc)
{
	const json_t *m = json_object_get(doc, "machine"), *s = json_object_get(doc, "settings");
	const json_t *results = json_object_get(doc, "results");
	double y = TITLE;
	char line[512];

	cairo_set_source_rgb(c, 1, 1, 1);
	cairo_paint(c);
	cairo_set_source_rgb(c, 0.1, 0.1, 0.1);
	show(c, MARGIN, 34, 18, true, "vifrost bench");
	snprintf(line, sizeof(line), "%.120s, %d CPUs, Linux %.60s, vifrost %.20s, %.20s",
		 text_of(m, "cpu"), (int)number(m, "cpus"), text_of(m, "kernel"),
		 text_of(doc, "version"), text_of(doc, "when"));
	cairo_set_source_rgb(c, 0.35, 0.35, 0.35);
	show(c, MARGIN, 54, 11.5, false, line);
	for (size_t i = 0; i < NR_PANELS; i++)
		y = draw_panel(c, &panels[i], results, y);
	snprintf(
		line, sizeof(line),
		"Median of %d windows of %g s; lines show the spread. Left of each bar: bytes of a "
		"packet or write, gso: as many as the kernel takes.",
		(int)number(s, "windows"), number(s, "duration-ms") / 1000);
	cairo_set_source_rgb(c, 0.35, 0.35, 0.35);
	show(c, MARGIN, y + 8, 10.5, false, line);
}

static double height_of(const json_t *doc, unsigned int *bars_out)
{
	double height = TITLE + FOOT;

	*bars_out = 0;
	for (size_t i = 0; i < NR_PANELS; i++) {
		unsigned int paths,
			bars = measure_panel(&panels[i], json_object_get(doc, "results"), &paths);

		if (bars)
			height += PANEL_STEP + bars * BAR_STEP + paths * PATH_STEP;
		*bars_out += bars;
	}
	return height;
}

static int finish(cairo_t *c, cairo_surface_t *surface, const char *png, char why[PLOT_WHY])
{
	cairo_status_t status = cairo_status(c);

	if (status == CAIRO_STATUS_SUCCESS && png)
		status = cairo_surface_write_to_png(surface, png);
	cairo_destroy(c);
	cairo_surface_finish(surface);
	if (status == CAIRO_STATUS_SUCCESS)
		status = cairo_surface_status(surface);
	cairo_surface_destroy(surface);
	if (status == CAIRO_STATUS_SUCCESS)
		return 0;
	snprintf(why, PLOT_WHY, "%s", cairo_status_to_string(status));
	return status == CAIRO_STATUS_NO_MEMORY ? -ENOMEM : -EIO;
}

int plot_write(const json_t *doc, const char *path, char why[PLOT_WHY])
{
	const char *end = strrchr(path, '.');
	bool png = end && !strcmp(end, ".png");
	cairo_surface_t *surface;
	unsigned int bars;
	double height = height_of(doc, &bars);
	cairo_t *c;

	if (!png && (!end || strcmp(end, ".svg") != 0)) {
		snprintf(why, PLOT_WHY, "its name must end in .svg or .png");
		return -EINVAL;
	}
	if (!bars || bars > MAX_BARS) {
		snprintf(why, PLOT_WHY, bars ? "more than %d results" : "no result to draw",
			 MAX_BARS);
		return -EINVAL;
	}
	surface = png ? cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(WIDTH * PNG_SCALE),
						   (int)(height * PNG_SCALE))
		      : cairo_svg_surface_create(path, WIDTH, height);
	c = cairo_create(surface);
	if (png)
		cairo_scale(c, PNG_SCALE, PNG_SCALE);
	draw(c, doc);
	return finish(c, surface, png ? path : NULL, why);
}
