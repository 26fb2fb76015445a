//! Summaries as plots (SVG), and as a report (HTML) with the plots inside.

use std::fmt::Write as _;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::machine::Machine;
use super::summary::{Spread, Summary};
use super::table;

type Failure = Box<dyn std::error::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (1000, 800);
const FONT: &str = "sans-serif";
/// Pixels at the right of each panel, for its legend.
const LEGEND: u32 = 90;
/// For up to three drivers; told apart also by those who see red and green as one.
const COLOURS: [RGBColor; 3] =
    [RGBColor(0, 92, 175), RGBColor(230, 120, 0), RGBColor(110, 110, 110)];

/// Three panels: CPU and system calls per request by connections, and latency.
pub(super) fn svg(summaries: &[Summary]) -> Result<String, Failure> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (upper, lower) = root.split_vertically(SIZE.1 / 2);
        let (left, right) = upper.split_horizontally(SIZE.0 / 2);
        by_connections(&left, summaries, "CPU µs per request", |s| s.figures.cpu_us_per_request)?;
        by_connections(&right, summaries, "System calls per request", |s| {
            s.figures.syscalls_per_request
        })?;
        latencies(&lower, summaries)?;
        root.present()?;
    }
    Ok(text)
}

/// A page that needs nothing else.
pub(super) fn html(summaries: &[Summary], machine: &Machine) -> Result<String, Failure> {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>ringdove bench</title>\n\
         <style>body{font:16px/1.4 sans-serif;max-width:64em;margin:2em auto}pre{overflow-x:auto}\
         td,th{padding:.2em .8em;text-align:right}svg{max-width:100%;height:auto}</style>\n\
         <h1>ringdove bench</h1>\n",
    );
    writeln!(page, "<pre>{}</pre>", escaped(&table::render(summaries, machine)))?;
    page.push_str(&svg(summaries)?);
    page.push_str(&where_epoll_wins(summaries)?);
    page.push_str("<h2>Machine</h2>\n<ul>\n");
    writeln!(
        page,
        "<li>Linux {}, {} CPUs: {}",
        escaped(&machine.kernel),
        machine.cpus,
        escaped(&machine.cpu)
    )?;
    for (name, state) in &machine.vulnerabilities {
        writeln!(page, "<li>{}: {}", escaped(name), escaped(state))?;
    }
    page.push_str("</ul></html>\n");
    Ok(page)
}

/// For each number of connections, the drivers' CPU against epoll's.
fn where_epoll_wins(summaries: &[Summary]) -> Result<String, Failure> {
    let mut rows = String::new();
    for epoll in summaries.iter().filter(|summary| summary.driver == "epoll") {
        let same = |summary: &&Summary| {
            summary.connections == epoll.connections && summary.driver != epoll.driver
        };
        for other in summaries.iter().filter(same) {
            let verdict = other.cheaper(epoll).unwrap_or("neither: the rounds overlap");
            let (ours, theirs) =
                (epoll.figures.cpu_us_per_request, other.figures.cpu_us_per_request);
            let change = (theirs.median / ours.median - 1.0) * 100.0;
            writeln!(
                rows,
                "<tr><td>{}<td>{}<td>{:.2}<td>{:.2}<td>{change:+.1} %<td>{verdict}",
                epoll.connections, other.driver, theirs.median, ours.median
            )?;
        }
    }
    if rows.is_empty() {
        return Ok(rows);
    }
    Ok(format!(
        "<h2>Where epoll wins</h2>\n<table><tr><th>connections<th>driver<th>its CPU µs/request\
         <th>epoll's<th>change<th>cheaper\n{rows}</table>\n"
    ))
}

fn by_connections(
    area: &Area<'_>,
    summaries: &[Summary],
    title: &str,
    figure: fn(&Summary) -> Spread,
) -> Result<(), Failure> {
    let connections = summaries.iter().map(|summary| summary.connections as f64);
    let (least, most) = bounds(connections);
    let (_, top) = bounds(summaries.iter().map(|summary| figure(summary).max));
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18))
        .margin(12)
        .margin_right(LEGEND)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d((least / 1.5..most * 1.5).log_scale(), 0.0..top.max(0.01) * 1.1)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("connections")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .label_style((FONT, 13))
        .draw()?;
    for (driver, colour) in drivers(summaries) {
        let of_driver: Vec<_> = summaries.iter().filter(|s| s.driver == driver).collect();
        let medians = of_driver.iter().map(|s| (s.connections as f64, figure(s).median));
        chart.draw_series(LineSeries::new(medians, colour.stroke_width(2)).point_size(3))?;
        chart.draw_series(of_driver.iter().map(|s| {
            let (x, spread) = (s.connections as f64, figure(s));
            PathElement::new([(x, spread.min), (x, spread.max)], colour)
        }))?;
    }
    legend(area, summaries)
}

/// Latency by quantile, whose axis grows by one per nine.
fn latencies(area: &Area<'_>, summaries: &[Summary]) -> Result<(), Failure> {
    let most_connections = summaries.iter().map(|summary| summary.connections).max().unwrap_or(0);
    let shown: Vec<_> =
        summaries.iter().filter(|summary| summary.connections == most_connections).collect();
    let points = shown.iter().flat_map(|summary| summary.latency.0.iter().map(|point| point.0));
    let (least, most) = bounds(points);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Latency in µs by quantile, {most_connections} connections"), (FONT, 18))
        .margin(12)
        .margin_right(LEGEND)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d((1.0..10_000.0).log_scale(), (least * 0.8..most * 1.2).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("quantile, %")
        .x_label_formatter(&|x| format!("{}", 100.0 - 100.0 / x))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style((FONT, 13))
        .draw()?;
    for (driver, colour) in drivers(summaries) {
        let Some(summary) = shown.iter().find(|summary| summary.driver == driver) else { continue };
        chart.draw_series(LineSeries::new(quantile_curve(summary), colour.stroke_width(2)))?;
    }
    legend(area, summaries)
}

/// One over the share of requests that took longer, and how long that is.
fn quantile_curve(summary: &Summary) -> Vec<(f64, f64)> {
    let points = &summary.latency.0;
    let total: u64 = points.iter().map(|point| point.1).sum();
    let mut below = 0;
    let mut curve = Vec::with_capacity(points.len());
    for &(microseconds, count) in points {
        curve.push((total as f64 / (total - below) as f64, microseconds));
        below += count;
    }
    curve
}

/// Beside the data, where no line comes.
fn legend(area: &Area<'_>, summaries: &[Summary]) -> Result<(), Failure> {
    let x = (area.dim_in_pixel().0 - LEGEND) as i32 + 16;
    for (at, (driver, colour)) in drivers(summaries).into_iter().enumerate() {
        let y = 52 + 20 * at as i32;
        area.draw(&PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)))?;
        area.draw(&Text::new(driver, (x + 22, y - 6), (FONT, 14)))?;
    }
    Ok(())
}

/// Each driver once, in the order of the summaries.
fn drivers(summaries: &[Summary]) -> Vec<(String, RGBColor)> {
    let mut names: Vec<String> = Vec::new();
    for summary in summaries {
        if !names.contains(&summary.driver) {
            names.push(summary.driver.clone());
        }
    }
    names.into_iter().zip(COLOURS.into_iter().cycle()).collect()
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let Range { start, end } =
        values.fold(f64::MAX..0.0, |range, value| range.start.min(value)..range.end.max(value));
    if start > end { (1.0, 1.0) } else { (start, end) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
