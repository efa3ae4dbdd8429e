/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains as xenstored knows them. A domain that dies is no longer introduced, though its number is
 * taken until the last of its pages that we have mapped is let go: so whoever has its rings mapped
 * cannot reach another domain by that number.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/parse.h"
#include "hv/xen_priv.h"

#define DOMID_LAST 0x7fefu /* below DOMID_FIRST_RESERVED */

static int xen_open(struct hv *hv, uint16_t domid, struct hv_domain **domain_out)
{
	struct xen_domain *d;
	bool introduced;
	int rc;

	if (!hv->store)
		return -ECONNRESET;
	rc = hv_store_introduced(hv->store, domid, &introduced);
	if (rc < 0)
		return rc;
	if (!introduced)
		return -ENOENT;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	*d = (struct xen_domain){ (struct xen_hv *)(void *)hv, domid };
	*domain_out = (struct hv_domain *)(void *)d;
	return 0;
}

static void xen_close(struct hv_domain *domain)
{
	free(domain);
}

static int xen_list(struct hv *hv, uint16_t *domids, unsigned int max)
{
	unsigned int nr_names, nr = 0;
	char **names;
	int rc;

	if (!hv->store)
		return -ECONNRESET;
	rc = hv_store_directory(hv->store, 0, "/local/domain", &names, &nr_names);
	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < nr_names && nr < max; i++) {
		bool introduced;
		uint32_t domid;

		if (parse_u32(names[i], DOMID_LAST, &domid))
			continue;
		rc = hv_store_introduced(hv->store, (uint16_t)domid, &introduced);
		if (rc < 0)
			break;
		if (introduced)
			domids[nr++] = (uint16_t)domid;
	}
	free(names);
	return rc < 0 ? rc : (int)nr;
}

const struct hv_domain_ops xen_domain_ops = {
	.open = xen_open,
	.close = xen_close,
	.list = xen_list,
};
