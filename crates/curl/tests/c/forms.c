/*
 * Mimes that are freed, copied and read in pieces; what is told of a transfer afterwards.
 *
 * forms URL: a server that takes anything, and has four bytes at `/four`; `/from` leads to `/to`.
 */
#include "check.h"

static size_t take(char *data, size_t size, size_t count, void *to)
{
  (void)data;
  (void)to;
  return size * count;
}

struct source {
  const char *text;
  size_t at;
  int freed;
};

static size_t give_one(char *data, size_t size, size_t count, void *from)
{
  struct source *source = from;
  CHECK(size * count > 0);
  if(!source->text[source->at])
    return 0;
  *data = source->text[source->at++];
  return 1;
}

static void let_go(void *from)
{
  ((struct source *)from)->freed++;
}

static CURL *new_handle(const char *url, const char *path)
{
  CURL *easy = curl_easy_init();
  char whole[256];
  snprintf(whole, sizeof(whole), "%s%s", url, path);
  curl_easy_setopt(easy, CURLOPT_URL, whole);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  return easy;
}

/* The copy has the parts, and the first nothing once they are freed. */
static void copies(const char *url)
{
  struct source source = {"by one", 0, 0};
  CURL *easy = new_handle(url, "/empty"), *copy;
  curl_mime *mime = curl_mime_init(easy);
  curl_mimepart *part = curl_mime_addpart(mime);
  curl_mime_name(part, "first");
  curl_mime_data(part, "hello", CURL_ZERO_TERMINATED);
  part = curl_mime_addpart(mime);
  curl_mime_name(part, "second");
  curl_mime_data_cb(part, 6, give_one, NULL, let_go, &source);
  curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime);
  copy = curl_easy_duphandle(easy);
  curl_mime_free(mime);
  EQUAL(source.freed, 1);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(curl_easy_perform(copy), CURLE_OK);
  EQUAL(source.at, 6);
  curl_easy_cleanup(easy);
  curl_easy_cleanup(copy);
  EQUAL(source.freed, 2);
}

/* Parts of another type than forms' are attached. */
static void attached(const char *url)
{
  CURL *easy = new_handle(url, "/attached");
  curl_mime *mime = curl_mime_init(easy);
  curl_mimepart *part = curl_mime_addpart(mime);
  struct curl_slist *lines = curl_slist_append(NULL, "Content-Type: text/info");
  curl_mime_name(part, "name");
  curl_mime_data(part, "hello", CURL_ZERO_TERMINATED);
  curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  curl_easy_cleanup(easy);
  curl_mime_free(mime);
  curl_slist_free_all(lines);
}

static void referers(const char *url)
{
  CURL *easy = new_handle(url, "/from");
  char *referer = NULL;
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(easy, CURLOPT_AUTOREFERER, 1L);
  curl_easy_setopt(easy, CURLOPT_REFERER, "http://before.test/");
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  EQUAL(curl_easy_getinfo(easy, CURLINFO_REFERER, &referer), CURLE_OK);
  CHECK(referer && strstr(referer, "/from"));
  curl_easy_cleanup(easy);
}

int main(int argc, char **args)
{
  CURL *easy;
  curl_off_t delivered = -1;
  if(argc != 2)
    return 2;
  copies(args[1]);
  attached(args[1]);
  referers(args[1]);
  easy = new_handle(args[1], "/four");
  EQUAL(curl_easy_perform(easy), CURLE_OK);
  /* CURLINFO_SIZE_DELIVERED, which the header may be too old for */
  EQUAL(curl_easy_getinfo(easy, (CURLINFO)(CURLINFO_OFF_T + 71), &delivered), CURLE_OK);
  EQUAL(delivered, 4);
  curl_easy_cleanup(easy);
  printf("%d failures\n", failures);
  return failures != 0;
}
