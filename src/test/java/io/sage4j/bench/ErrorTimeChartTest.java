package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.Rectangle;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ErrorTimeChartTest {
    @Test
    void drawsAnImageInTheColoursOfItsGroups() throws IOException {
        byte[] png = ErrorTimeChart.png(
                "title",
                List.of(
                        new ErrorTimeChart.Point("a", "one", 1.5, 1e-4),
                        new ErrorTimeChart.Point("b", "two", 150, 0.1),
                        new ErrorTimeChart.Point("c", "two", 150, 0.1)));
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
        assertThat(image.getWidth()).isEqualTo(1300);
        boolean blue = false;
        boolean red = false;
        for (int y = 0; y < image.getHeight() - 60; y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                blue |= (image.getRGB(x, y) & 0xFFFFFF) == 0x4477AA;
                red |= (image.getRGB(x, y) & 0xFFFFFF) == 0xEE6677;
            }
        }
        assertThat(blue).isTrue();
        assertThat(red).isTrue();
    }

    @Test
    void onePointIsEnough() {
        assertThat(ErrorTimeChart.png("title", List.of(new ErrorTimeChart.Point("a", "one", 1, 1))))
                .isNotEmpty();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void labelsHideNothing(long seed) {
        Random random = new Random(seed);
        Rectangle area = new Rectangle(80, 30, 1200, 700);
        LabelRoom room = new LabelRoom(area, 4);
        List<int[]> points = new ArrayList<>();
        for (int i = 0; i < 22; i++) {
            int[] point = {600 + (int) (60 * random.nextGaussian()), 350 + (int) (20 * random.nextGaussian())};
            points.add(point);
            room.occupy(new Rectangle(point[0] - 6, point[1] - 6, 12, 12));
        }
        List<Rectangle> labels = new ArrayList<>();
        for (int[] point : points) {
            LabelRoom.Place place = room.place(point[0], point[1], 11, 100, 14);
            assertThat(area.contains(place.box())).isTrue();
            assertThat(labels).noneMatch(place.box()::intersects);
            assertThat(points).noneMatch(p -> place.box().intersects(p[0] - 6, p[1] - 6, 12, 12));
            labels.add(place.box());
        }
    }
}
