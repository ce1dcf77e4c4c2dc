#include "sinks/http/config.h"

#include <algorithm>
#include <string_view>

#include "base/ascii.h"
#include "sinks/http/header_block.h"
#include "sinks/http/url.h"

namespace deltaforge::sinks::http {
namespace {

void read_url(const config::Node& node, Url& out, config::Report& report) {
  config::read(node, out.text, {.min = 1}, report);
  out.by_request = node.origin() != nullptr && node.origin()->expansion == config::Expansion::secrets_only;
}

void read_headers(const config::Node& node, std::map<std::string, config::Secret>& out, config::Report& report) {
  if (!node.is_map()) return report.add(node, "expected a map of texts: write `Authorization: Bearer ${API_TOKEN}`");
  for (const config::Node& child : node.children()) {
    const std::size_t before = report.problems().size();
    config::Secret value;
    config::read(child, value, {}, report);
    if (report.problems().size() == before) out[child.key()] = std::move(value);
  }
}

void show_headers(const std::map<std::string, config::Secret>& headers, config::Echo& to) {
  to.begin_map();
  for (const auto& [name, value] : headers) {
    to.key(name);
    config::echo(value, to);
  }
  to.end_map();
}

void check_headers(const Config& config, const config::Node& node, config::Report& report) {
  const config::Node* map = node.find("headers");
  for (const auto& [name, value] : config.headers) {
    if (!is_header_name(name))
      report.add(*map, name, "no name of a header: use letters, digits and '-'");
    else if (frames_the_message(name))
      report.add(*map, name, "the sink itself writes this header: leave it out");
    else if (is_of_the_sink(name))
      report.add(*map, name, "this header tells the event and is written by the sink: leave it out");
    if (value.reveal().find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      report.add(*map, name, "its value has a line break: write it in one line");
  }
}

void check_allowed(const Config& config, const config::Node& node, config::Report& report) {
  const config::Node* list = node.find("allow_hosts");
  for (std::size_t i = 0; i < config.allow_hosts.size(); ++i) {
    std::string_view host = config.allow_hosts[i];
    if (host.starts_with("*.")) host.remove_prefix(2);
    if (host.empty() || host.find_first_of("/:*@? ") != std::string_view::npos)
      report.add(list->children()[i],
                 "no name of a host: write `api.internal`, or `*.internal` for all below it, without port or path");
  }
}

}  // namespace

const char* to_string(Method method) {
  return method == Method::post ? "POST" : method == Method::put ? "PUT" : "PATCH";
}

const config::Spec<Signature>& Signature::spec() {
  static const auto s =
      config::Spec<Signature>("signature", "Signs each request: HMAC-SHA-256 of `<df-timestamp>.<body>`, as hex.")
          .field("secret", &Signature::secret, "The key that the receiver knows, too.", {.required = true, .min = 1})
          .field("header", &Signature::header, "The header that carries it.", {.min = 1});
  return s;
}

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("http", "Sends change events to an HTTP server, at least once, in order for each key.");
    spec.field("id", &Config::id, "Name used for checkpoints and metrics.", {.min = 1})
        .custom("url", &Config::url, "Where to send; may hold variables, whose values are percent-encoded.", read_url,
                {.required = true, .min = 1}, [](const Url& shown, config::Echo& to) { config::echo(shown.text, to); })
        .shaped({.type = "template"})
        .choice("method", &Config::method, "Method of the requests.",
                {{"POST", Method::post}, {"PUT", Method::put}, {"PATCH", Method::patch}})
        .custom("headers", &Config::headers, "Further headers of each request; the values are never shown.",
                read_headers, {}, show_headers)
        .shaped({.type = "map of strings"})
        .field("batch_mode", &Config::batch_mode, "Send arrays of events, one for each resolved URL, not single ones.")
        .field(
            "key", &Config::key,
            "Events with the same key go one after the other; may hold variables. Without it the row's primary key.");
    encode::add_format_fields(spec)
        .field("required", &Config::required, "Whether checkpoints wait for this sink.")
        .field("send_timeout_secs", &Config::send_timeout_secs, "Time that a request may take, before it is repeated.",
               {.min = 1, .max = 900})
        .field("batch_timeout_secs", &Config::batch_timeout_secs, "The same for an array of batch_mode.",
               {.min = 1, .max = 3600})
        .field("connect_timeout_secs", &Config::connect_timeout_secs, "Time to connect, TLS included.",
               {.min = 1, .max = 300})
        .nested("tls", &Config::tls, "Files and checks of TLS; only with https://.")
        .nested("signature", &Config::signature, "Signs each request.")
        .field("allow_hosts", &Config::allow_hosts,
               "Hosts that may have a private address although the event, or who uses the API, names the host: "
               "`api.internal`, `*.internal`.");
    return config::add_sink_fields(spec);
  }();
  return s;
}

bool Config::guards_addresses() const { return url.by_request || !has_fixed_host(url.text); }

void Config::check(const config::Node& node, config::Report& report) const {
  if (!url.text.empty()) {
    if (const std::string problem = url_problem(url.text); !problem.empty())
      report.add(node, "url", "no valid URL: " + problem);
    else if (tls && !is_https(url.text))
      report.add(node, "tls", "the url begins with http://, which is plain text; write https://");
  }
  check_headers(*this, node, report);
  check_allowed(*this, node, report);
  if (signature) {
    const config::Node* map = node.find("signature");
    if (!is_header_name(signature->header))
      report.add(*map, "header", "no name of a header: use letters, digits and '-'");
    else if (frames_the_message(signature->header) || is_of_the_sink(signature->header) ||
             std::any_of(headers.begin(), headers.end(),
                         [&](const auto& each) { return equal_ignoring_case(each.first, signature->header); }))
      report.add(*map, "header", "this header has another meaning already: choose another name");
  }
}

}  // namespace deltaforge::sinks::http
