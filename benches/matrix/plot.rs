//! Lines over connections as a plot (SVG), with the legend beside them.
//!
//! Knows lines, colours and pixels. Must not know records. Invariants: what is named stands where no line can; no two
//! lines look alike; no text is cut off by the picture's edge.

use plotters::element::DashedPathElement;
use plotters::prelude::*;

/// A client's figure, by connections.
pub(crate) struct Line {
    pub(crate) client: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// How a line is drawn, so that whose it is can be told without the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ringdove's: thick.
    Ours,
    /// Another library's: thin.
    Peer,
    /// A bare loop, which is no client but what the kernel costs: dashed.
    Floor,
    /// A load generator, of which the whole process counts: dotted.
    Tool,
}

/// Pixels of the picture.
pub(crate) const SIZE: (u32, u32) = (1000, 560);

/// The first pixel of the legend.
pub(crate) const LEGEND: u32 = 810;

/// Colours told apart also by those who see red and green as one.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 92, 175),
    RGBColor(230, 120, 0),
    RGBColor(0, 150, 120),
    RGBColor(200, 80, 160),
    RGBColor(90, 180, 230),
    RGBColor(150, 110, 40),
    RGBColor(110, 110, 110),
];

impl Kind {
    pub(crate) fn of(client: &str) -> Kind {
        match client {
            "wrk" | "h2load" => Kind::Tool,
            ours if ours.starts_with("ringdove") => Kind::Ours,
            floor if floor.starts_with("floor_") => Kind::Floor,
            _ => Kind::Peer,
        }
    }

    /// Pixels of the line, its points, its dashes and what is between them.
    fn shape(self) -> (u32, i32, Option<(i32, i32)>) {
        match self {
            Kind::Ours => (3, 4, None),
            Kind::Peer => (1, 2, None),
            Kind::Floor => (2, 3, Some((9, 5))),
            Kind::Tool => (2, 3, Some((2, 5))),
        }
    }
}

/// A plot of these lines, both axes logarithmic. There is at least one.
pub(crate) fn svg(title: &str, lines: &[Line]) -> Result<String, Box<dyn std::error::Error>> {
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (data, legend) = root.split_horizontally(LEGEND);
        let mut chart = ChartBuilder::on(&data)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .margin_right(32)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (50.0..10_000.0).log_scale(),
                (least * 0.8..most * 1.25).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("connections")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| short(*y))
            .draw()?;
        for (at, (line, (kind, colour))) in lines.iter().zip(styles(lines)).enumerate() {
            let (width, radius, dashes) = kind.shape();
            let points = || line.points.iter().copied();
            match dashes {
                None => chart.draw_series(LineSeries::new(points(), colour.stroke_width(width)))?,
                Some((dash, gap)) => chart.draw_series(DashedLineSeries::new(
                    points(),
                    dash,
                    gap,
                    colour.stroke_width(width),
                ))?,
            };
            chart.draw_series(points().map(|point| Circle::new(point, radius, colour.filled())))?;
            let y = 60 + 22 * at as i32;
            let sample = vec![(0, y), (34, y)];
            match dashes {
                None => legend.draw(&PathElement::new(sample, colour.stroke_width(width)))?,
                Some((dash, gap)) => legend.draw(&DashedPathElement::new(
                    sample,
                    dash,
                    gap,
                    colour.stroke_width(width),
                ))?,
            }
            legend.draw(&Text::new(line.client.clone(), (42, y - 6), ("sans-serif", 14)))?;
        }
        root.present()?;
    }
    Ok(text)
}

/// Of each line: of every kind the first has the first colour.
pub(crate) fn styles(lines: &[Line]) -> Vec<(Kind, RGBColor)> {
    let mut styles: Vec<(Kind, RGBColor)> = Vec::new();
    for line in lines {
        let kind = Kind::of(&line.client);
        let before = styles.iter().filter(|style| style.0 == kind).count();
        styles.push((kind, COLOURS[before % COLOURS.len()]));
    }
    styles
}

/// A number with no more digits than it needs.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
