/*
 * The mprintf family: curl's names for printf.
 *
 * Here, since Rust defines no functions with a variable number of arguments. The conversions are those of the C
 * library, of which curl_mprintf(3) documents a part. Results differ as documented there: what writes into a buffer
 * answers what was written, not what would have been, and ends in NUL whenever there is room for one byte.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory that curl_free() frees, by the functions that curl_global_init_mem() was given. */
extern void *ringdove_curl_allocate(size_t bytes);

int curl_mvsnprintf(char *buffer, size_t max, const char *format, va_list args)
{
  int length = vsnprintf(buffer, max, format, args);
  if(length < 0 || !max)
    return length < 0 ? length : 0;
  return (size_t)length < max ? length : (int)(max - 1);
}

int curl_msnprintf(char *buffer, size_t max, const char *format, ...)
{
  va_list args;
  int length;
  va_start(args, format);
  length = curl_mvsnprintf(buffer, max, format, args);
  va_end(args);
  return length;
}

int curl_mvsprintf(char *buffer, const char *format, va_list args)
{
  return vsprintf(buffer, format, args);
}

int curl_msprintf(char *buffer, const char *format, ...)
{
  va_list args;
  int length;
  va_start(args, format);
  length = vsprintf(buffer, format, args);
  va_end(args);
  return length;
}

int curl_mvfprintf(FILE *file, const char *format, va_list args)
{
  return vfprintf(file, format, args);
}

int curl_mfprintf(FILE *file, const char *format, ...)
{
  va_list args;
  int length;
  va_start(args, format);
  length = vfprintf(file, format, args);
  va_end(args);
  return length;
}

int curl_mvprintf(const char *format, va_list args)
{
  return vprintf(format, args);
}

int curl_mprintf(const char *format, ...)
{
  va_list args;
  int length;
  va_start(args, format);
  length = vprintf(format, args);
  va_end(args);
  return length;
}

char *curl_mvaprintf(const char *format, va_list args)
{
  va_list again;
  char *text = NULL;
  int length;
  va_copy(again, args);
  length = vsnprintf(NULL, 0, format, args);
  if(length >= 0)
    text = ringdove_curl_allocate((size_t)length + 1);
  if(text)
    vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *curl_maprintf(const char *format, ...)
{
  va_list args;
  char *text;
  va_start(args, format);
  text = curl_mvaprintf(format, args);
  va_end(args);
  return text;
}
