/* SPDX-License-Identifier: MIT */
/* Files in memory by mmap(), of which a part may vanish without ending the program. */
#ifndef CLI_SERVE_MAP_H
#define CLI_SERVE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct serve_map;

/* Once, before the first map: takes SIGBUS over. */
void serve_map_init(void);
/* Maps `len` bytes of a regular file, at least 1; NULL: errno tells. Any thread. */
struct serve_map *serve_map_new(int fd, size_t len);
const uint8_t *serve_map_bytes(const struct serve_map *map);
/* Was something read that the file no longer holds? What was read there was zeros. */
bool serve_map_is_torn(const struct serve_map *map);
void serve_map_free(struct serve_map *map);

#endif
