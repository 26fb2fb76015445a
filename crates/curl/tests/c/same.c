/*
 * What curl's functions for text, URLs, dates, lists and forms make of this and that: run on both libraries, it has to print
 * the same. (Left out are URLs of protocols that are not there, and what curl 7 and 8 do differently: spaces, schemes that are
 * none, a fragment by itself, the case of hexadecimal digits.)
 */
#include "check.h"
#include <curl/mprintf.h>

static void urls(void)
{
  static const char *const texts[] = {
    "http://example.com", "HTTP://Example.COM:80/a/../b/./c?q=1#f", "https://user:pa%20ss@host:8443/p?x", "example.com/x",
    "http:/one", "http:///three", "http:////four", "http://[::1]:8/", "http://[fe80::1%25eth0]/", "http://[::1", "http://h:99999/",
    "http://h:0/", "http://h:/", "http://h:x/", "", "/", "?q", "http://", "http://?q", 
    "http://0x7f.1/", "http://127.1/x", "http://1.2.3.4.5/", "http://@h/", "http://:@h/", "http://u:p:q@h/",
    "http://h/%41%zz", "http://h?q", "http://h#f", "http://h/a/b/..", "http://h/..", "http://h/?a=b&c=d+e", "localhost:80/x",
    "http://exa%6dple.com/", "http://h%20h/", "http://a_b/", "mailto:x", "http://h/a//b",
  };
  static const unsigned sets[] = { 0, CURLU_GUESS_SCHEME, CURLU_DEFAULT_SCHEME, CURLU_PATH_AS_IS, CURLU_URLENCODE, CURLU_DISALLOW_USER };
  static const unsigned gets[] = { 0, CURLU_URLDECODE, CURLU_DEFAULT_PORT, CURLU_NO_DEFAULT_PORT };
  size_t text, set, get;
  int part;
  for(text = 0; text < sizeof(texts) / sizeof(*texts); text++)
    for(set = 0; set < sizeof(sets) / sizeof(*sets); set++) {
      CURLU *url = curl_url();
      CURLUcode code = curl_url_set(url, CURLUPART_URL, texts[text], sets[set]);
      printf("url '%s' %u: %d\n", texts[text], sets[set], (int)code);
      for(part = 0; !code && part <= 10; part++)
        for(get = 0; get < sizeof(gets) / sizeof(*gets); get++) {
          char *value = NULL;
          CURLUcode got = curl_url_get(url, (CURLUPart)part, &value, gets[get]);
          printf("  %d/%u: %d %s\n", part, gets[get], (int)got, value ? value : "-");
          curl_free(value);
        }
      curl_url_cleanup(url);
    }
}

static void parts(void)
{
  static const struct {
    CURLUPart part;
    const char *value;
    unsigned flags;
  } rows[] = {
    { CURLUPART_SCHEME, "https", 0 }, { CURLUPART_SCHEME, NULL, 0 }, { CURLUPART_HOST, "other.org", 0 },
    { CURLUPART_HOST, "", 0 }, { CURLUPART_HOST, "[::2]", 0 }, { CURLUPART_PORT, "123", 0 }, { CURLUPART_PORT, "70000", 0 },
    { CURLUPART_PORT, NULL, 0 }, { CURLUPART_PATH, "new/path x", CURLU_URLENCODE }, { CURLUPART_PATH, "/p", 0 },
    { CURLUPART_QUERY, "nv w", CURLU_URLENCODE }, { CURLUPART_QUERY, "a=b&c", CURLU_URLENCODE | CURLU_APPENDQUERY },
    { CURLUPART_QUERY, "plain", CURLU_APPENDQUERY }, { CURLUPART_QUERY, NULL, 0 }, { CURLUPART_FRAGMENT, "fr ag", CURLU_URLENCODE },
    { CURLUPART_USER, "me@x", CURLU_URLENCODE }, { CURLUPART_PASSWORD, "pw", 0 }, { CURLUPART_URL, "../up", 0 },
    { CURLUPART_URL, "//net/x", 0 }, { CURLUPART_URL, "?only", 0 }, { CURLUPART_URL, "rel/a", 0 },
    { (CURLUPart)99, "x", 0 },
  };
  size_t row;
  for(row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
    CURLU *url = curl_url(), *twin;
    char *whole = NULL;
    curl_url_set(url, CURLUPART_URL, "http://u:p@h:8/d/f?q#z", 0);
    printf("set %d '%s': %d", (int)rows[row].part, rows[row].value ? rows[row].value : "(null)",
           (int)curl_url_set(url, rows[row].part, rows[row].value, rows[row].flags));
    twin = curl_url_dup(url);
    curl_url_cleanup(url);
    printf(" %d", (int)curl_url_get(twin, CURLUPART_URL, &whole, 0));
    printf(" %s\n", whole ? whole : "-");
    curl_free(whole);
    curl_url_cleanup(twin);
  }
}

static void texts(void)
{
  static const char *const dates[] = {
    "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "06 Nov 1994 08:49:37 GMT",
    "06-Nov-94 08:49:37 GMT", "Nov  6 08:49:37 1994", "1994 Nov 6 08:49:37", "GMT 08:49:37 06-Nov-94 Sunday", "94 6 Nov 08:49:37",
    "1994 Nov 6", "06-Nov-94", "Sun Nov 6 94", "1994.Nov.6", "Sun/Nov/6/94/GMT", "Sun, 06 Nov 1994 08:49:37 CET", "06 Nov 1994 08:49:37 EST",
    "Sun, 12 Sep 2004 15:05:58 -0700", "Sat, 11 Sep 2004 21:32:11 +0200", "20040912 15:05:58 -0700", "20040911 +0200", "Thu, 01-Jan-1970 00:59:58 GMT",
    "Thu, 01-Jan-1970 00:00:00 GMT", "yesterday", "", "Fri, 30 Feb 2004 00:00:00 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Mon, 01 Jan 9999 00:00:00 GMT",
  };
  char buffer[16];
  char *text;
  int length;
  size_t at;
  for(at = 0; at < sizeof(dates) / sizeof(*dates); at++)
    printf("date '%s': %ld\n", dates[at], (long)curl_getdate(dates[at], NULL));
  text = curl_easy_escape(NULL, "a b/c?d=e&f~g-h_i.j\xff\x01", 0);
  printf("escaped %s\n", text);
  curl_free(text);
  text = curl_easy_unescape(NULL, "a%20b%zz%4", 0, &length);
  printf("unescaped %s %d\n", text, length);
  curl_free(text);
  text = curl_easy_unescape(NULL, "%00x%41tail", 7, &length);
  printf("unescaped %d %d\n", length, text[1]);
  curl_free(text);
  printf("%d %d %d\n", curl_strequal("ABC", "abc"), curl_strequal("abc", "abd"), curl_strequal("a", "ab"));
  printf("%d %d %d\n", curl_strnequal("ABCx", "abcy", 3), curl_strnequal("abc", "abd", 3), curl_strnequal("", "", 1));
  length = curl_msnprintf(buffer, sizeof(buffer), "%d-%s-%5.2f", 7, "seven", 7.125);
  printf("%s %d\n", buffer, length);
  length = curl_msnprintf(buffer, 5, "%s", "too long");
  printf("%s %d\n", buffer, length);
  text = curl_maprintf("%2$s %1$x %3$c %4$ld %5$zu", 255, "text", 'c', -1L, (size_t)9);
  printf("%s\n", text);
  curl_free(text);
  for(length = -1; length < 105; length++)
    printf("%d: %s | %s | %s | %s\n", length, curl_easy_strerror((CURLcode)length), curl_share_strerror((CURLSHcode)length),
           curl_url_strerror((CURLUcode)length), curl_multi_strerror((CURLMcode)length));
}

static size_t print(void *to, const char *data, size_t length)
{
  size_t at;
  (void)to;
  /* boundaries are random */
  for(at = 0; at < length; at++)
    if(data[at] != '\r')
      putchar(data[at]);
  return length;
}

static void forms(void)
{
  struct curl_httppost *first = NULL, *last = NULL;
  struct curl_slist *headers = curl_slist_append(NULL, "X-Own: 1");
  struct curl_forms array[] = { { CURLFORM_COPYCONTENTS, "of an array" }, { CURLFORM_CONTENTTYPE, "text/x" }, { CURLFORM_END, NULL } };
  printf("%d", (int)curl_formadd(&first, &last, CURLFORM_COPYNAME, "name", CURLFORM_COPYCONTENTS, "content", CURLFORM_END));
  printf("%d", (int)curl_formadd(&first, &last, CURLFORM_PTRNAME, "ptrX", CURLFORM_NAMELENGTH, 3L, CURLFORM_PTRCONTENTS, "longer", CURLFORM_CONTENTSLENGTH, 4L, CURLFORM_END));
  printf("%d", (int)curl_formadd(&first, &last, CURLFORM_COPYNAME, "array", CURLFORM_ARRAY, array, CURLFORM_END));
  printf("%d", (int)curl_formadd(&first, &last, CURLFORM_COPYNAME, "typed", CURLFORM_COPYCONTENTS, "<p>", CURLFORM_CONTENTTYPE, "text/html", CURLFORM_CONTENTHEADER, headers, CURLFORM_END));
  printf("%d", (int)curl_formadd(&first, &last, CURLFORM_COPYNAME, "buffer", CURLFORM_BUFFER, "file.txt", CURLFORM_BUFFERPTR, "buffered", CURLFORM_BUFFERLENGTH, 8L, CURLFORM_END));
  printf("%d", (int)curl_formadd(&first, &last, CURLFORM_COPYNAME, "none", CURLFORM_END));
  printf("%d\n", (int)curl_formadd(&first, &last, CURLFORM_COPYNAME, "a", CURLFORM_COPYNAME, "b", CURLFORM_COPYCONTENTS, "c", CURLFORM_END));
  printf("form %d\n", curl_formget(first, NULL, print));
  curl_formfree(first);
  curl_slist_free_all(headers);
}

int main(void)
{
  urls();
  parts();
  texts();
  forms();
  return 0;
}
