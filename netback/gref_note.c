/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/gref_note.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VERSION 1u

struct note {
	uint32_t version;
	struct nb_gref_owner owner;
	uint8_t refs[NB_GREF_NOTES];
};

static void restore(struct nb_queue *q, const struct note *note)
{
	for (uint32_t ref = 0; ref < NB_GREF_END; ref++) {
		struct xen_netif_gref gref = { .ref = ref };

		if (!(nb_gref_noted(note->refs, ref) & NB_GREF_NOTED))
			continue;
		if (nb_gref_noted(note->refs, ref) & NB_GREF_NOTED_READONLY)
			gref.flags = XEN_NETIF_CTRLF_GREF_readonly;
		if (nb_gref_add(q, &gref, 1) == -ENOSPC)
			break;
	}
}

static bool is_of(const struct note *note, const struct nb_gref_owner *owner)
{
	return note->version == VERSION && !memcmp(&note->owner, owner, sizeof(*owner));
}

int nb_gref_note(struct nb_queue *q, const char *path, const struct nb_gref_owner *owner,
		 bool is_restored)
{
	struct note *old = is_restored ? calloc(1, sizeof(*old)) : NULL, *note;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;

	if (fd < 0) {
		rc = -errno;
		goto out;
	}
	if (old && pread(fd, old, sizeof(*old), 0) == (ssize_t)sizeof(*old) && is_of(old, owner))
		restore(q, old);
	/* All of it now: where there is no room later, a store would end us. */
	rc = ftruncate(fd, 0) ? -errno : -posix_fallocate(fd, 0, sizeof(*note));
	if (rc)
		goto out;
	note = mmap(NULL, sizeof(*note), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (note == MAP_FAILED) {
		rc = -errno;
		goto out;
	}
	q->gref_notes = note->refs;
	for (uint32_t ref = 0; ref < q->nr_grefs; ref++)
		nb_gref_note_page(q, ref);
	note->owner = *owner;
	/* Last: before, it is nobody's. */
	__atomic_store_n(&note->version, VERSION, __ATOMIC_RELEASE);
out:
	if (fd >= 0)
		close(fd);
	free(old);
	return rc;
}

void nb_gref_forget_notes(struct nb_queue *q)
{
	if (q->gref_notes)
		munmap((char *)q->gref_notes - offsetof(struct note, refs), sizeof(struct note));
	q->gref_notes = NULL;
}
