/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/vxl.h"

int main(int argc, char **argv)
{
	return vxl_main(argc, argv);
}
