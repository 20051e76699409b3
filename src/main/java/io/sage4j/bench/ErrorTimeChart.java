package io.sage4j.bench;

import io.sage4j.SageException;
import io.sage4j.io.OneLine;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.Rectangle;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import javax.imageio.ImageIO;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** A chart of error against time, both logarithmic, one labelled point per variant. Needs no display. */
public final class ErrorTimeChart {
    private static final int WIDTH = 1300;
    private static final int HEIGHT = 860;
    private static final int MARKER = 11;
    private static final int GAP = 4;
    private static final Font LABEL_FONT = new Font(Font.SANS_SERIF, Font.PLAIN, 13);
    private static final Color[] COLORS = {
        new Color(0x4477AA), new Color(0xEE6677), new Color(0x228833), new Color(0xCC8800), new Color(0xAA3377)
    };

    /**
     * One point.
     *
     * @param name its label
     * @param group what its colour stands for
     * @param millis time, more than 0
     * @param error error, more than 0
     */
    public record Point(String name, String group, double millis, double error) {}

    private ErrorTimeChart() {}

    /**
     * Checks, before work is spent on what is to be drawn, that text can be drawn: a bare machine may have no fonts.
     *
     * @throws SageException saying what to install
     */
    public static void check() {
        System.setProperty("java.awt.headless", "true");
        Graphics2D g = new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB).createGraphics();
        try {
            g.getFontMetrics(LABEL_FONT).stringWidth("x");
        } catch (VirtualMachineError e) {
            throw e;
        } catch (RuntimeException | Error e) {
            throw new SageException(
                    "no chart can be drawn, Java finds no fonts (" + OneLine.of(String.valueOf(e.getMessage()))
                            + "); install fontconfig and a font, such as the package fonts-dejavu-core",
                    e);
        } finally {
            g.dispose();
        }
    }

    /**
     * Draws the chart.
     *
     * @param title what was measured
     * @param points at least one
     * @return a PNG image
     * @throws SageException if there are no fonts
     */
    public static byte[] png(String title, List<Point> points) {
        check();
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("time of one call, ms (median)")
                .yAxisTitle("relative L1 error against exact attention (mean)")
                .build();
        style(chart, points);
        Map<String, Color> colors = addSeries(chart, points);
        BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        Graphics2D g = image.createGraphics();
        try {
            g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
            g.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
            chart.paint(g, WIDTH, HEIGHT);
            label(g, chart, points, colors);
        } finally {
            g.dispose();
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            ImageIO.write(image, "png", bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static void style(XYChart chart, List<Point> points) {
        chart.getStyler()
                .setDefaultSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter)
                .setLegendPosition(Styler.LegendPosition.OutsideS)
                .setLegendLayout(Styler.LegendLayout.Horizontal)
                .setLegendBorderColor(Color.WHITE)
                .setMarkerSize(MARKER)
                .setChartBackgroundColor(Color.WHITE)
                .setChartTitleBoxVisible(false)
                .setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 17));
        chart.getStyler()
                .setXAxisLogarithmic(true)
                .setXAxisLogarithmicDecadeOnly(most(points, Point::millis) > 20 * least(points, Point::millis))
                .setYAxisLogarithmic(true)
                .setXAxisMin(roundDown(least(points, Point::millis) / 1.15))
                .setXAxisMax(roundUp(most(points, Point::millis) * 1.6))
                .setYAxisMin(roundDown(least(points, Point::error) / 1.3))
                .setYAxisMax(roundUp(most(points, Point::error) * 1.3))
                .setXAxisTickLabelsFormattingFunction(ErrorTimeChart::plain)
                .setYAxisTickLabelsFormattingFunction(ErrorTimeChart::plain)
                .setPlotGridLinesColor(new Color(0xDDDDDD));
    }

    private static double least(List<Point> points, ToDoubleFunction<Point> of) {
        return points.stream().mapToDouble(of).min().orElseThrow();
    }

    private static double most(List<Point> points, ToDoubleFunction<Point> of) {
        return points.stream().mapToDouble(of).max().orElseThrow();
    }

    /** The next number below of the form 1, 2, 3, ... 9 times a power of ten. */
    private static double roundDown(double x) {
        double unit = Math.pow(10, Math.floor(Math.log10(x)));
        return Math.floor(x / unit) * unit;
    }

    private static double roundUp(double x) {
        double unit = Math.pow(10, Math.floor(Math.log10(x)));
        return Math.ceil(x / unit) * unit;
    }

    private static String plain(double x) {
        return new BigDecimal(x).round(new MathContext(2)).stripTrailingZeros().toPlainString();
    }

    private static Map<String, Color> addSeries(XYChart chart, List<Point> points) {
        Map<String, Color> colors = new LinkedHashMap<>();
        for (Point point : points) {
            colors.computeIfAbsent(point.group, g -> COLORS[colors.size() % COLORS.length]);
        }
        colors.forEach((group, color) -> {
            List<Point> members =
                    points.stream().filter(p -> p.group.equals(group)).toList();
            chart.addSeries(
                            group,
                            members.stream().mapToDouble(Point::millis).toArray(),
                            members.stream().mapToDouble(Point::error).toArray())
                    .setMarker(SeriesMarkers.CIRCLE)
                    .setMarkerColor(color);
        });
        return colors;
    }

    /** Writes each name where it hides neither a point nor another name, as near to its point as there is room. */
    private static void label(Graphics2D g, XYChart chart, List<Point> points, Map<String, Color> colors) {
        g.setFont(LABEL_FONT);
        g.setStroke(new BasicStroke(1f));
        FontMetrics font = g.getFontMetrics();
        LabelRoom room = new LabelRoom(plot(chart), GAP);
        for (Point point : points) {
            int x = (int) chart.getScreenXFromChart(point.millis);
            int y = (int) chart.getScreenYFromChart(point.error);
            room.occupy(new Rectangle(x - MARKER / 2 - 1, y - MARKER / 2 - 1, MARKER + 2, MARKER + 2));
        }
        List<Point> order = new ArrayList<>(points);
        order.sort(Comparator.comparingDouble(Point::error).thenComparingDouble(Point::millis));
        for (Point point : order) {
            int x = (int) chart.getScreenXFromChart(point.millis);
            int y = (int) chart.getScreenYFromChart(point.error);
            LabelRoom.Place place = room.place(x, y, MARKER, font.stringWidth(point.name), font.getHeight() - 2);
            g.setColor(colors.get(point.group).darker());
            if (place.leader().getP1().distance(place.leader().getP2()) > MARKER) {
                g.draw(place.leader());
            }
            g.drawString(point.name, place.box().x, place.box().y + font.getAscent());
        }
    }

    private static Rectangle plot(XYChart chart) {
        int left = (int) chart.getScreenXFromChart(chart.getStyler().getXAxisMin());
        int right = (int) chart.getScreenXFromChart(chart.getStyler().getXAxisMax());
        int top = (int) chart.getScreenYFromChart(chart.getStyler().getYAxisMax());
        int bottom = (int) chart.getScreenYFromChart(chart.getStyler().getYAxisMin());
        return new Rectangle(left, top, right - left, bottom - top);
    }
}
