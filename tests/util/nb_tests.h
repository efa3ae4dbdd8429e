/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of one queue's rings, for whoever serves them: as rig_mode and rig_poller say (nb_rig.h). */
#ifndef TESTS_UTIL_NB_TESTS_H
#define TESTS_UTIL_NB_TESTS_H

/* What honest guests do. Return: tests that failed. */
int nb_data_tests(const char *name);
/* What hostile ones do: parts A and B of the security catalogue, and what is of a ring in C and E. */
int nb_hostile_tests(const char *name);
/* What only a worker with a port has. */
int nb_data_tests_of_a_port(void);

#endif
