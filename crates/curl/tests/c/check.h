/* What the programs of these tests have in common: a check that tells where it failed, and a count of failures. */
#ifndef CHECK_H
#define CHECK_H

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((unused)) static int failures;

#define CHECK(what)                                                     \
  do {                                                                  \
    if(!(what)) {                                                       \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
      failures++;                                                       \
    }                                                                   \
  } while(0)

#define EQUAL(got, want)                                                \
  do {                                                                  \
    long got_ = (long)(got), want_ = (long)(want);                      \
    if(got_ != want_) {                                                 \
      printf("%s:%d: %s is %ld, not %ld\n", __FILE__, __LINE__, #got, got_, want_); \
      failures++;                                                       \
    }                                                                   \
  } while(0)

#endif
