/* SPDX-License-Identifier: MIT */
/* All public headers of libteeceepee. */
#ifndef TEECEEPEE_H
#define TEECEEPEE_H

#include <teeceepee/config.h>
#include <teeceepee/host.h>
#include <teeceepee/info.h>
#include <teeceepee/link.h>
#include <teeceepee/packet.h>
#include <teeceepee/socket.h>
#include <teeceepee/stack.h>
#include <teeceepee/trace.h>
#include <teeceepee/types.h>

#endif
