/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vif=: emulated network cards, each with a TAP named as Xen names those of its device models. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "hv/hvm/hvm_args_priv.h"

#define DEVID_MAX 255

static const struct nic_model {
	const char *name, *device;
	bool vnet_hdr; /* passes checksums and segments on unfinished */
	bool vhost;    /* has no TAP */
} models[] = {
	{ "rtl8139", "rtl8139", false, false },
	{ "e1000", "e1000", false, false },
	{ "e1000e", "e1000e", false, false },
	{ "virtio-net", "virtio-net-pci", true, false },
	{ "virtio", "virtio-net-pci", true, false },
	{ "virtio-net-pci", "virtio-net-pci", true, false },
	{ "ne2k_pci", "ne2k_pci", false, false },
	{ "pcnet", "pcnet", false, false },
	{ "i82551", "i82551", false, false },
	{ "i82557b", "i82557b", false, false },
	{ "i82559er", "i82559er", false, false },
	{ "vhost-user", "virtio-net-pci", false, true },
};

static const struct nic_model *find_model(struct hvm_builder *b, const json_t *vif)
{
	const char *name = hvm_text(vif, "model", models[0].name);

	for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++)
		if (!strcmp(models[i].name, name))
			return &models[i];
	hvm_refuse(
		b, "vif",
		"model \"%.32s\": allowed: rtl8139, e1000, e1000e, virtio-net, vhost-user, ne2k_pci, "
		"pcnet, i82551, i82557b, i82559er",
		name);
	return &models[0];
}

/* A name that does not fit is one that no interface can have. */
static void name_nic(struct hvm_builder *b, const json_t *vif, struct hvm_nic *nic)
{
	const char *vifname = hvm_text(vif, "vifname", NULL);
	char name[64];

	if (vifname)
		snprintf(name, sizeof(name), "%.32s-emu", vifname);
	else
		snprintf(name, sizeof(name), "vif%u.%u-emu", b->host->domid, nic->devid);
	if (strlen(name) >= sizeof(nic->name) || strpbrk(name, "/: %,"))
		hvm_refuse(b, "vif",
			   "\"%.40s\" cannot be an interface's name; allowed: a vifname "
			   "of at most 11 letters, digits, '-', '.' and '_'",
			   name);
	else
		memcpy(nic->name, name, strlen(name) + 1);
}

static void read_nic(struct hvm_builder *b, const json_t *vif, unsigned int fallback_devid,
		     struct hvm_nic *nic)
{
	const struct nic_model *model = find_model(b, vif);
	const char *mac = hvm_text(vif, "mac", NULL);
	uint8_t bytes[MAC_LEN];

	/* Its other half, a paravirtual device, would need Xen's platform device in the guest. */
	if (strcmp(hvm_text(vif, "type", "ioemu"), "ioemu"))
		hvm_refuse(b, "vif",
			   "type=vif is for guests with Xen's drivers; write type=ioemu, "
			   "fastest with model=virtio-net");
	nic->fd = -1;
	nic->device = model->device;
	nic->vhost = model->vhost;
	nic->vnet_hdr = model->vnet_hdr;
	nic->devid = hvm_number(b, vif, "devid", 0, DEVID_MAX, fallback_devid);
	nic->mtu = hvm_number(b, vif, "mtu", 68, 65535, 0);
	name_nic(b, vif, nic);
	if (mac && parse_mac(mac, bytes))
		hvm_refuse(b, "vif", "mac \"%.20s\": allowed: 00:16:3e:12:34:56", mac);
	snprintf(nic->mac, sizeof(nic->mac), "%.17s", mac ? mac : "");
}

int hvm_nic_read(const json_t *vif, const struct hvm_host *host, struct hvm_nic *nic,
		 char why[ENGINE_WHY])
{
	struct hvm_builder b = { vif, host, NULL, false, why, 0, 0 };

	*nic = (struct hvm_nic){ 0 };
	read_nic(&b, vif, 0, nic);
	return b.rc;
}

static void put_nic(struct hvm_builder *b, const json_t *vif)
{
	struct hvm_nic *nic = &b->args->nics[b->args->nr_nics];
	char boot_text[32], mtu[32] = "";
	const char *boot;

	read_nic(b, vif, b->args->nr_nics, nic);
	b->args->nr_nics++;
	if (nic->vhost)
		return;
	nic->fd = hvm_take_fd(b);
	if (nic->mtu && nic->vnet_hdr)
		snprintf(mtu, sizeof(mtu), ",host_mtu=%u", nic->mtu);
	boot = hvm_boot(b, 'n', boot_text);
	hvm_put(b, "-netdev", "tap,id=net%u,fd=%d", nic->devid, nic->fd);
	hvm_put(b, "-device", "%s,id=nic%u,netdev=net%u%s%s%s%s", nic->device, nic->devid,
		nic->devid, nic->mac[0] ? ",mac=" : "", nic->mac, mtu, *boot ? boot : ",romfile=");
}

void hvm_put_nics(struct hvm_builder *b)
{
	const json_t *vifs = json_object_get(b->config, "vif");
	json_t *vif;
	size_t i;

	if (json_array_size(vifs) > HVM_MAX_NICS)
		hvm_refuse(b, "vif", "allowed: at most %d of an hvm domain", HVM_MAX_NICS);
	json_array_foreach (vifs, i, vif)
		if (!b->rc)
			put_nic(b, vif);
}
