/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A document of `vifrost bench` as a picture, SVG or PNG. The only user of cairo. */
#ifndef POLICY_PLOT_PLOT_H
#define POLICY_PLOT_PLOT_H

#include <jansson.h>

#define PLOT_WHY 256

/* Return: 0; -EINVAL: nothing to draw, or no such kind of file; -EIO; -ENOMEM; with @why. */
int plot_write(const json_t *doc, const char *path, char why[PLOT_WHY]);

#endif
