/*
 * curl_formadd(): collects its arguments, whose number and types follow from each other, into an array.
 *
 * Here, since Rust defines no functions with a variable number of arguments.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* CURLFORM_* of curl.h: those that take something else than a pointer, those that take none, and the end. */
enum {
  FORM_NAMELENGTH = 3,
  FORM_CONTENTSLENGTH = 6,
  FORM_ARRAY = 8,
  FORM_BUFFERLENGTH = 13,
  FORM_END = 17,
  FORM_CONTENTLEN = 20
};

/* One option and its value, as in struct curl_forms, whose value is a pointer. */
struct argument {
  int option;
  const char *value;
};

/* A part that is described by more than this is an error (CURL_FORMADD_MEMORY), and so is one without an end. */
#define MOST 256

extern int ringdove_curl_formadd(void **first, void **last, const struct argument *arguments, size_t count);

/* CURL_FORMADD_MEMORY */
#define FORMADD_MEMORY 1

static int collect(struct argument *into, size_t *count, va_list args)
{
  for(;;) {
    struct argument next;
    next.option = va_arg(args, int);
    if(next.option == FORM_END)
      return 0;
    if(*count == MOST)
      return FORMADD_MEMORY;
    if(next.option == FORM_NAMELENGTH || next.option == FORM_CONTENTSLENGTH || next.option == FORM_BUFFERLENGTH)
      next.value = (const char *)(intptr_t)va_arg(args, long);
    else if(next.option == FORM_CONTENTLEN)
      next.value = (const char *)(intptr_t)va_arg(args, int64_t);
    else
      next.value = va_arg(args, const char *);
    if(next.option == FORM_ARRAY) {
      const struct argument *array = (const struct argument *)(const void *)next.value;
      for(; array && array->option != FORM_END; array++) {
        if(*count == MOST)
          return FORMADD_MEMORY;
        into[(*count)++] = *array;
      }
    }
    else
      into[(*count)++] = next;
  }
}

int curl_formadd(void **first, void **last, ...)
{
  struct argument arguments[MOST];
  size_t count = 0;
  va_list args;
  int result;
  va_start(args, last);
  result = collect(arguments, &count, args);
  va_end(args);
  return result ? result : ringdove_curl_formadd(first, last, arguments, count);
}
