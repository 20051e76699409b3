package io.sage4j.bench;

import java.awt.Rectangle;
import java.awt.geom.Line2D;
import java.util.ArrayList;
import java.util.List;

/** Finds room for the labels of points: no label covers a point or another label, nor, while there is room, the
 * line from a label to its point. */
final class LabelRoom {
    private static final int DIRECTIONS = 32;
    private static final int STEP = 5;
    private static final int MOST_DISTANCE = 200;

    private final Rectangle area;
    private final int gap;
    private final List<Rectangle> points = new ArrayList<>();
    private final List<Rectangle> labels = new ArrayList<>();
    private final List<Line2D> leaders = new ArrayList<>();

    /**
     * Where a label goes.
     *
     * @param box its text
     * @param leader from the point to the nearest place of the text
     */
    record Place(Rectangle box, Line2D leader) {}

    /**
     * @param area where labels may be
     * @param gap free pixels around a label
     */
    LabelRoom(Rectangle area, int gap) {
        this.area = area;
        this.gap = gap;
    }

    /** Keeps labels off a point. */
    void occupy(Rectangle point) {
        points.add(point);
    }

    /**
     * The nearest free place for a label; to the right first, then turning away from there.
     *
     * @param x point
     * @param y point
     * @param nearest pixels from the point
     * @param width of the label
     * @param height of the label
     */
    Place place(int x, int y, int nearest, int width, int height) {
        for (boolean crossing : new boolean[] {false, true}) {
            for (int distance = nearest; distance < MOST_DISTANCE; distance += STEP) {
                for (int turn = 0; turn < DIRECTIONS; turn++) {
                    int direction = turn % 2 == 0 ? turn / 2 : -(turn + 1) / 2;
                    Place place = at(x, y, distance, direction * 2 * Math.PI / DIRECTIONS, width, height);
                    if (isFree(place) && (crossing || !isCrossed(place))) {
                        return take(place);
                    }
                }
            }
        }
        return take(at(x, y, nearest, 0, width, height));
    }

    private Place take(Place place) {
        labels.add(place.box);
        leaders.add(place.leader);
        return place;
    }

    private static Place at(int x, int y, int distance, double angle, int width, int height) {
        double dx = distance * Math.cos(angle);
        double dy = distance * Math.sin(angle);
        double left = dx > 1 ? x + dx : dx < -1 ? x + dx - width : x - width / 2.0;
        Rectangle box = new Rectangle((int) left, (int) (y - dy - height / 2.0), width, height);
        double nearX = Math.clamp(x, box.getMinX(), box.getMaxX());
        double nearY = Math.clamp(y, box.getMinY() + 3, box.getMaxY() - 3);
        return new Place(box, new Line2D.Double(x, y, nearX, nearY));
    }

    private boolean isFree(Place place) {
        Rectangle room = new Rectangle(place.box);
        room.grow(gap, gap / 2);
        return area.contains(room)
                && points.stream().noneMatch(room::intersects)
                && labels.stream().noneMatch(room::intersects);
    }

    private boolean isCrossed(Place place) {
        return labels.stream().anyMatch(other -> other.intersectsLine(place.leader))
                || leaders.stream()
                        .anyMatch(other -> place.box.intersectsLine(other) || other.intersectsLine(place.leader));
    }
}
